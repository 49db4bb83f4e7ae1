//! Quantities with their units in the type.

use serde::{Deserialize, Serialize};

/// The relative share of a backend; 0 sends it nothing. Weights need not sum to 100 (SMI TrafficSplit v1alpha4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Weight(pub u32);
