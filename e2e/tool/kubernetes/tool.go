//go:build tool

// Package kubernetes pins the API server that judges Leno in its tests and the command line that people use with
// it.
package kubernetes

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
