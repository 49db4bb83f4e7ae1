//! A request as the filters before have left it.

use leno_engine::{
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText},
};

use super::{super::judged::Judged, Filtered};

/// A request with changes that were not written yet.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Edited<'a, R> {
    request: &'a R,
    edits: &'a [HeaderEdits],
    /// The new target, if there is one.
    target: Option<&'a str>,
    /// The new host, if there is one.
    host: Option<&'a str>,
}

impl<'a, R: RequestHead> Edited<'a, R> {
    pub(super) fn new(request: &'a R, filtered: &'a Filtered) -> Self {
        let (target, host) = (filtered.target.as_deref(), filtered.host.as_deref());
        Self { request, edits: &filtered.request_edits, target, host }
    }

    /// A request with further changes.
    pub(in super::super) fn over(
        request: &'a R,
        edits: &'a [HeaderEdits],
        target: Option<&'a str>,
        host: Option<&'a str>,
    ) -> Self {
        Self { request, edits, target, host }
    }

    /// What the changes make of a header: whether what came with the request is still there, and what was added.
    fn changed(&self, name: &str) -> (bool, Vec<&'a [u8]>) {
        let (mut kept, mut added) = (true, Vec::new());
        for edit in self.edits {
            if edit.remove.iter().any(|removed| **removed == *name) {
                (kept, added) = (false, Vec::new());
            }
            // As they are written (`http/header.rs`): by what was there before, and those that replace first.
            let there = !added.is_empty() || (kept && self.request.values(name).next().is_some());
            let mut more = Vec::new();
            for write in edit.add.iter().filter(|write| *write.name == *name) {
                // Bound to the request: nothing is left to be filled in.
                let HeaderText::Plain(value) = &write.value else { continue };
                let value = value.as_bytes();
                match (write.append, there) {
                    (HeaderAppend::Append, _) | (HeaderAppend::IfAbsent, false) => more.push(value),
                    (HeaderAppend::Overwrite, _) | (HeaderAppend::OverwriteIfPresent, true) => {
                        (kept, added) = (false, vec![value]);
                    }
                    (HeaderAppend::IfAbsent, true) | (HeaderAppend::OverwriteIfPresent, false) => {}
                }
            }
            added.append(&mut more);
        }
        (kept, added)
    }
}

impl<R: RequestHead> Edited<'_, Judged<'_, R>> {
    /// The host, when it is another one than the caller named.
    pub(in super::super) fn changed_host(&self) -> Option<Box<str>> {
        self.host.or_else(|| self.request.changed_host()).map(Box::from)
    }

    /// The target, when it is another one than the caller sent.
    pub(in super::super) fn changed_target(&self) -> Option<String> {
        self.target.map(str::to_owned).or_else(|| self.request.changed())
    }
}

impl<R: RequestHead> RequestHead for Edited<'_, R> {
    fn method(&self) -> &str {
        self.request.method()
    }

    fn target(&self) -> &str {
        self.target.unwrap_or_else(|| self.request.target())
    }

    fn authority(&self) -> &str {
        self.host.unwrap_or_else(|| self.request.authority())
    }

    fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b [u8]> {
        // Nothing is gathered where nothing was changed.
        let (kept, added) = if self.edits.is_empty() { (true, Vec::new()) } else { self.changed(name) };
        self.request.values(name).filter(move |_| kept).chain(added)
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let touched = |name: &[u8]| {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            self.edits
                .iter()
                .any(|edit| edit.remove.iter().any(|name| is(name)) || edit.add.iter().any(|write| is(&write.name)))
        };
        let mut names: Vec<&str> = Vec::new();
        for name in self.edits.iter().flat_map(|edit| &edit.add).map(|write| &*write.name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let changed = names.into_iter().flat_map(|name| {
            let (kept, added) = self.changed(name);
            let own = self.request.values(name).filter(move |_| kept);
            own.chain(added).map(move |value| (name.as_bytes(), value)).collect::<Vec<_>>()
        });
        self.request.all().filter(move |(name, _)| !touched(name)).chain(changed)
    }
}

#[cfg(test)]
mod tests {
    use leno_engine::{
        request::SimpleRequest,
        route::{HeaderText, HeaderWrite},
    };

    use super::*;

    fn edit(remove: &[&str], add: &[(&str, &str, HeaderAppend)]) -> HeaderEdits {
        let write = |(name, value, append): &(&str, &str, HeaderAppend)| HeaderWrite {
            name: (*name).into(),
            value: HeaderText::Plain((*value).into()),
            append: *append,
        };
        HeaderEdits { remove: remove.iter().map(|name| (*name).into()).collect(), add: add.iter().map(write).collect() }
    }

    #[test]
    fn headers_are_as_the_changes_make_them() {
        use HeaderAppend::{Append, IfAbsent, Overwrite, OverwriteIfPresent};
        let request = SimpleRequest::new("GET", "/", "a").with("x", "1").with("y", "1");
        let seen = |edits: &[HeaderEdits], name: &str| {
            let filtered = Filtered { request_edits: edits.to_vec(), ..Filtered::default() };
            let edited = Edited::new(&request, &filtered);
            let of_name = |(key, value): (&[u8], &[u8])| (key == name.as_bytes()).then(|| value.to_vec());
            let all: Vec<_> = edited.all().filter_map(of_name).collect();
            assert_eq!(all, edited.values(name).map(<[u8]>::to_vec).collect::<Vec<_>>());
            let values: Vec<_> = edited.values(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect();
            values.join(",")
        };
        assert_eq!(seen(&[], "x"), "1");
        assert_eq!(seen(&[edit(&["x"], &[])], "x"), "");
        assert_eq!(seen(&[edit(&["x"], &[])], "y"), "1");
        assert_eq!(seen(&[edit(&[], &[("x", "2", Append)])], "x"), "1,2");
        assert_eq!(seen(&[edit(&[], &[("x", "2", Overwrite)]), edit(&[], &[("x", "3", Append)])], "x"), "2,3");
        assert_eq!(seen(&[edit(&[], &[("x", "2", IfAbsent), ("z", "2", IfAbsent)])], "z"), "2");
        assert_eq!(seen(&[edit(&["x"], &[("x", "2", OverwriteIfPresent)])], "x"), "");
        assert_eq!(seen(&[edit(&[], &[("x", "2", OverwriteIfPresent)])], "x"), "2");
        assert_eq!(seen(&[edit(&[], &[("x", "2", IfAbsent)])], "x"), "1");
        assert_eq!(seen(&[edit(&["x"], &[("x", "2", Append), ("x", "3", IfAbsent)])], "x"), "2,3");
        assert_eq!(seen(&[edit(&[], &[("x", "2", Append), ("x", "3", Overwrite)])], "x"), "3,2");
    }
}
