//go:build tool

// Package etcd pins the store of the API server. It has a module of its own because its client and that of the API server
// want different versions of the same libraries.
package etcd

import _ "go.etcd.io/etcd/server/v3"
