//! A request as the filters before have left it.

use leno_engine::{
    request::RequestHead,
    route::{HeaderAppend, HeaderEdits, HeaderText},
};

/// A request with changes that were not written yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edited<'a, R> {
    request: &'a R,
    edits: &'a [HeaderEdits],
}

impl<'a, R: RequestHead> Edited<'a, R> {
    pub(super) fn new(request: &'a R, edits: &'a [HeaderEdits]) -> Self {
        Self { request, edits }
    }

    /// What the changes make of a header: whether what came with the request is still there, and what was added.
    fn changed(&self, name: &str) -> (bool, Vec<&'a [u8]>) {
        let (mut kept, mut added) = (true, Vec::new());
        for edit in self.edits {
            if edit.remove.iter().any(|removed| **removed == *name) {
                (kept, added) = (false, Vec::new());
            }
            for write in edit.add.iter().filter(|write| *write.name == *name) {
                let there = !added.is_empty() || (kept && self.request.values(name).next().is_some());
                // Bound to the request: nothing is left to be filled in.
                let HeaderText::Plain(value) = &write.value else { continue };
                let value = value.as_bytes();
                match (write.append, there) {
                    (HeaderAppend::Append, _) | (HeaderAppend::IfAbsent, false) => added.push(value),
                    (HeaderAppend::Overwrite, _) | (HeaderAppend::OverwriteIfPresent, true) => {
                        (kept, added) = (false, vec![value]);
                    }
                    (HeaderAppend::IfAbsent, true) | (HeaderAppend::OverwriteIfPresent, false) => {}
                }
            }
        }
        (kept, added)
    }
}

impl<R: RequestHead> RequestHead for Edited<'_, R> {
    fn method(&self) -> &str {
        self.request.method()
    }

    fn target(&self) -> &str {
        self.request.target()
    }

    fn authority(&self) -> &str {
        self.request.authority()
    }

    fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b [u8]> {
        // Nothing is gathered where nothing was changed.
        let (kept, added) = if self.edits.is_empty() { (true, Vec::new()) } else { self.changed(name) };
        self.request.values(name).filter(move |_| kept).chain(added)
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
            let edited = Edited::new(&request, edits);
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
    }
}
