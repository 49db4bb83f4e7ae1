//! Istio's packages.

/// `istio.v1`.
pub mod v1 {
    /// `istio.v1.auth`: the certificate-signing service that istiod, istio-csr and Leno's control plane serve.
    #[expect(
        unused_qualifications,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::excessive_nesting,
        clippy::missing_errors_doc,
        clippy::too_many_lines,
        reason = "generated code"
    )]
    #[rustfmt::skip]
    pub mod auth {
        include!("generated/istio.v1.auth.rs");
    }
}
