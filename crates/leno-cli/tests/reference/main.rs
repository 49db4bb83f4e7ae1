//! The pages of `docs/reference` that are printed from the code are what the code prints. `UPDATE_DOCS=1` writes them
//! anew.

mod annotation;
mod cli;
mod envoy;
mod error;
mod limit;
mod link;
mod manifest;
mod mesh_config;
mod metric;
mod page;
mod policy;
mod schema;

#[test]
fn metrics() {
    page::check("metrics.md", &metric::page());
}

#[test]
fn command_line() {
    page::check("cli.md", &cli::page());
}

#[test]
fn errors() {
    page::check("errors.md", &error::page());
}

#[test]
fn annotations() {
    page::check("annotations.md", &annotation::page());
}

#[test]
fn mesh_config() {
    page::check("meshconfig.md", &mesh_config::page());
}

#[test]
fn policies() {
    page::check("trafficpolicy.md", &policy::traffic());
    page::check("accesspolicy.md", &policy::access());
    page::check("egresspolicy.md", &policy::egress());
}

#[test]
fn limits() {
    page::check("limits.md", &limit::page());
}

#[test]
fn envoy_fields() {
    page::check("envoy.md", &envoy::page());
}
