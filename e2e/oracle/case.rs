//! Cases: a connection manager's configuration, and requests to it.

use std::{fmt, fs};

use serde_json::{Map, Value, json};

/// One configuration and what is asked of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What it shows.
    pub(crate) name: String,
    /// Fields of the connection manager; `route_config` and `http_filters` are completed.
    pub(crate) manager: Map<String, Value>,
    /// Fields of the clusters, by name, over the usual ones.
    pub(crate) clusters: Map<String, Value>,
    /// What is asked.
    pub(crate) requests: Vec<Request>,
    /// Whether a request may change which endpoints are thought to be well: the next one waits until both agree on it.
    pub(crate) settles: bool,
    /// How often each request is asked where it is left to chance which backend answers: of both proxies about as many
    /// requests must come to each backend.
    pub(crate) share: Option<u32>,
    /// Whether answers of the proxies' own are compared to the letter, with their type.
    pub(crate) exact: bool,
    /// The priorities, places and metadata of a cluster's endpoints: fields of its load assignment, by name, in which
    /// `port: N` stands for its Nth backend.
    pub(crate) assignments: Map<String, Value>,
}

/// A request as it is written on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// The target.
    pub(crate) target: String,
    /// The headers in their order; `Host` is added when there is none.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
    /// Whether it is asked by HTTP/2.
    pub(crate) http2: bool,
    /// The protocol of an extended CONNECT.
    pub(crate) protocol: Option<String>,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        if self.http2 {
            f.write_str(" by HTTP/2")?;
        }
        if let Some(protocol) = &self.protocol {
            write!(f, " to {protocol}")?;
        }
        self.headers.iter().try_for_each(|(name, value)| write!(f, " {name}:{value}"))
    }
}

impl Request {
    /// `GET /path Name:value…`, or a map with `method`, `path`, `headers`, `body`, `http2` and `protocol`.
    pub(crate) fn read(value: &Value) -> Self {
        if let Some(text) = value.as_str() {
            let mut words = text.split(' ');
            let (method, target) = (words.next().unwrap_or("GET"), words.next().unwrap_or("/"));
            let headers = words.filter_map(|word| word.split_once(':'));
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let (method, target) = (method.into(), target.into());
            return Self { method, target, headers, body: String::new(), http2: false, protocol: None };
        }
        let text = |key: &str, default: &str| value[key].as_str().unwrap_or(default).to_owned();
        let headers = value["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        Self {
            method: text("method", "GET"),
            target: text("path", "/"),
            headers: headers.collect(),
            body: text("body", ""),
            http2: value["http2"].as_bool().unwrap_or_default(),
            protocol: value["protocol"].as_str().map(str::to_owned),
        }
    }
}

impl Case {
    /// A case whose routes are for every host.
    pub(crate) fn of_routes(name: &str, routes: &Value, requests: Vec<Request>) -> Self {
        let hosts = json!([{ "name": "all", "domains": ["*"], "routes": routes }]);
        let manager = json!({ "route_config": { "virtual_hosts": hosts } });
        let manager = manager.as_object().cloned().unwrap_or_default();
        Self {
            name: name.to_owned(),
            manager,
            clusters: Map::new(),
            requests,
            settles: false,
            share: None,
            exact: false,
            assignments: Map::new(),
        }
    }

    /// A case of a file: `routes`, `virtual_hosts` or `manager`; `filters`; `clusters`; `assignments`; `requests`; `settles`;
    /// `share`; `exact`.
    pub(crate) fn read(file: &str, value: &Value) -> Self {
        let name = format!("{file}: {}", value["name"].as_str().expect("a case has a name"));
        let requests = value["requests"].as_array().expect("a case has requests").iter().map(Request::read).collect();
        let mut case = Self::of_routes(&name, &value["routes"], requests);
        if !value["virtual_hosts"].is_null() {
            case.manager.insert("route_config".into(), json!({ "virtual_hosts": value["virtual_hosts"] }));
        }
        case.manager.extend(value["manager"].as_object().cloned().unwrap_or_default());
        if let Some(filters) = value["filters"].as_array() {
            case.manager.insert("http_filters".into(), Value::Array(filters.clone()));
        }
        case.settles = value["settles"].as_bool().unwrap_or_default();
        case.share = value["share"].as_u64().and_then(|times| u32::try_from(times).ok());
        case.exact = value["exact"].as_bool().unwrap_or_default();
        case.assignments = value["assignments"].as_object().cloned().unwrap_or_default();
        case.clusters = value["clusters"].as_object().cloned().unwrap_or_default();
        case
    }
}

/// The cases of `cases/*.yaml`.
pub(crate) fn written() -> Vec<Case> {
    let folder = format!("{}/oracle/cases", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("there are cases").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let of_file = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let cases = read(&fs::read_to_string(path).expect("it can be read"));
        let cases = cases.as_array().expect("a file is a list of cases").clone();
        cases.into_iter().map(move |value| Case::read(&name, &value)).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

/// YAML as a value.
pub(crate) fn read(text: &str) -> Value {
    let mut documents = leno_yaml::documents(text);
    let document = documents.pop().expect("a document");
    assert!(document.errors.is_empty(), "{:?}", document.errors);
    document.root.expect("a tree").to_json()
}
