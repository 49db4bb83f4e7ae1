//! What is wrong with a head.

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HeadError {
    /// The head is larger than the limit.
    #[error("the head is larger than the limit")]
    TooLarge,
    /// The head has more fields than the limit.
    #[error("the head has more fields than the limit")]
    TooManyFields,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
    /// The first line is no request line or status line.
    #[error("the first line is malformed")]
    StartLine,
    /// The target is in no form that the method allows.
    #[error("the target is malformed")]
    Target,
    /// A field name has a character that is not allowed, white space before the colon included.
    #[error("a field name is malformed")]
    FieldName,
    /// A field value has a control character, or is folded over several lines.
    #[error("a field value has a control character or is folded")]
    FieldValue,
    /// A line ends with LF alone, or has a CR in it.
    #[error("a line does not end with CR LF")]
    LineEnd,
    /// `Content-Length` is repeated, a list, or no number.
    #[error("content-length is repeated or no number")]
    ContentLength,
    /// Both `Content-Length` and `Transfer-Encoding` are there.
    #[error("both content-length and transfer-encoding are there")]
    LengthAndEncoding,
    /// `Transfer-Encoding` is repeated, comes with HTTP/1.0, or does not end with `chunked`.
    #[error("transfer-encoding is repeated, or comes with HTTP/1.0")]
    TransferEncoding,
    /// `Transfer-Encoding` is something else than `chunked`.
    #[error("transfer-encoding is not chunked")]
    UnknownEncoding,
    /// `Host` is missing (in HTTP/1.1), repeated, or malformed.
    #[error("host is missing, repeated or malformed")]
    Host,
}

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadErrorKind {
    /// 400.
    Malformed,
    /// 431.
    TooLarge,
    /// 501.
    NotImplemented,
    /// 505.
    Version,
}

impl HeadError {
    /// What a server answers.
    #[must_use]
    pub fn kind(self) -> HeadErrorKind {
        match self {
            Self::TooLarge | Self::TooManyFields => HeadErrorKind::TooLarge,
            Self::UnknownEncoding => HeadErrorKind::NotImplemented,
            Self::Version => HeadErrorKind::Version,
            Self::StartLine
            | Self::Target
            | Self::FieldName
            | Self::FieldValue
            | Self::LineEnd
            | Self::ContentLength
            | Self::LengthAndEncoding
            | Self::TransferEncoding
            | Self::Host => HeadErrorKind::Malformed,
        }
    }

    /// The status that a server answers.
    #[must_use]
    pub fn status(self) -> u16 {
        match self.kind() {
            HeadErrorKind::Malformed => 400,
            HeadErrorKind::TooLarge => 431,
            HeadErrorKind::NotImplemented => 501,
            HeadErrorKind::Version => 505,
        }
    }
}
