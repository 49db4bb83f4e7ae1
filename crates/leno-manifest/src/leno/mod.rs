//! Leno's own objects (`policy.leno.dev`).

pub mod mesh_config;

pub use mesh_config::MeshConfig;
