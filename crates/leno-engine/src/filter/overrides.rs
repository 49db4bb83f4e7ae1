//! What routes say for filters instead of the connection manager (`typed_per_filter_config`).

use super::{FilterConfig, HttpFilter};

/// What a route, virtual host, weighted cluster or route table says for filters, by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides(Vec<(Box<str>, Override)>);

/// What is said for one filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Override {
    /// It does nothing here.
    Disabled,
    /// It does this here.
    Config(FilterConfig),
    /// It does what the connection manager says, even where that one has it disabled.
    Enabled,
}

/// What is said at all the places that count for a request, the closest first: weighted cluster, route, virtual host,
/// route table.
pub type Levels<'a> = [&'a Overrides; 4];

impl Overrides {
    /// These.
    #[must_use]
    pub fn new(overrides: Vec<(Box<str>, Override)>) -> Self {
        Self(overrides)
    }

    /// Nothing said.
    pub const NONE: &'static Self = &Self(Vec::new());

    /// The clusters of services that are asked here.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        let said = self.0.iter().filter_map(|(_, said)| match said {
            Override::Config(config) => Some(config),
            Override::Disabled | Override::Enabled => None,
        });
        said.flat_map(FilterConfig::clusters)
    }

    /// What is said for this filter.
    #[must_use]
    pub fn of(&self, filter: &str) -> Option<&Override> {
        self.0.iter().find(|(name, _)| **name == *filter).map(|(_, said)| said)
    }
}

impl HttpFilter {
    /// What it does with a request; `None`: nothing. The closest place that says something decides.
    #[must_use]
    pub fn config<'a>(&'a self, levels: &Levels<'a>) -> Option<&'a FilterConfig> {
        match levels.iter().find_map(|overrides| overrides.of(&self.name)) {
            Some(Override::Disabled) => None,
            Some(Override::Config(config)) => Some(config),
            Some(Override::Enabled) => Some(&self.config),
            None => (!self.disabled).then_some(&self.config),
        }
    }

    /// What is said for it at each place, the connection manager's own last.
    pub fn configs<'a>(&'a self, levels: &Levels<'a>) -> impl DoubleEndedIterator<Item = &'a FilterConfig> {
        let said = levels.map(|overrides| match overrides.of(&self.name) {
            Some(Override::Config(config)) => Some(config),
            Some(Override::Disabled | Override::Enabled) | None => None,
        });
        said.into_iter().flatten().chain(std::iter::once(&self.config))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn the_closest_place_that_says_something_decides() {
        let bytes = |bytes| FilterConfig::Buffer(NonZeroU32::new(bytes).unwrap());
        let mut filter = HttpFilter { name: "buffer".into(), disabled: false, config: bytes(1) };
        let says = |said: Override| Overrides::new(vec![("other".into(), Override::Disabled), ("buffer".into(), said)]);
        let (off, on, two) = (says(Override::Disabled), says(Override::Enabled), says(Override::Config(bytes(2))));
        let none = Overrides::NONE;
        assert_eq!(filter.config(&[none; 4]), Some(&bytes(1)));
        assert_eq!(filter.config(&[none, none, none, &off]), None);
        assert_eq!(filter.config(&[none, &two, none, &off]), Some(&bytes(2)));
        assert_eq!(filter.config(&[&on, &two, none, &off]), Some(&bytes(1)));
        assert_eq!(filter.configs(&[&on, &two, none, &off]).collect::<Vec<_>>(), [&bytes(2), &bytes(1)]);
        filter.disabled = true;
        assert_eq!(filter.config(&[none; 4]), None);
        assert_eq!(filter.config(&[none, none, &on, none]), Some(&bytes(1)));
    }
}
