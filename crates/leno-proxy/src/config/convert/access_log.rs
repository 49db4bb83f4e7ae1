//! Access logs: Leno writes its own JSON form, so the only thing that a configuration can say is whether.

use leno_proto::v3::{
    accesslog::{AccessLog, access_log::ConfigType},
    stream_access_log::StdoutAccessLog,
};

use super::check::{Check, at, join};

/// Whether there is an access log: one on standard output, in no format of its own.
pub(super) fn convert(check: &mut Check, path: &str, logs: Vec<AccessLog>) -> bool {
    let any = !logs.is_empty();
    for (index, mut log) in logs.into_iter().enumerate() {
        let path = at(path, "access_log", index);
        log.name.clear();
        match log.config_type.take() {
            Some(ConfigType::TypedConfig(config)) => {
                let path = join(&path, "typed_config");
                if let Some(stdout) = check.unpack::<StdoutAccessLog>(&path, &config) {
                    check.rest(&path, &stdout);
                }
            }
            None => check.wrong(&path, "missing", "typed_config with a StdoutAccessLog"),
        }
        check.rest(&path, &log);
    }
    any
}
