//! HTTP/1.1: a connection's bytes, read as the proxy reads them and written as it writes them.

mod chunked;
mod connection;
mod reference;
mod request;
mod response;

pub use chunked::http1_chunked;
pub use request::http1_request;
pub use response::http1_response;
