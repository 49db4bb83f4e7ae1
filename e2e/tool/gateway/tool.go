//go:build tool

// Package gateway pins the CustomResourceDefinitions of the Gateway API.
package gateway

import _ "sigs.k8s.io/gateway-api/pkg/consts"
