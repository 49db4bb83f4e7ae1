// Command xds-server is a control plane on Envoy's own go-control-plane library, told by its standard input what to serve.
//
// Each line is a snapshot in JSON, with resources as protobuf's JSON has them:
//
//	{"version": "1", "clusters": [...], "endpoints": [...], "listeners": [...], "routes": [...], "secrets": [...]}
//
// What happens is printed, a line of JSON each: streams, requests with their nonce and what was refused, answers.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// everyone is the one key of the cache: all nodes get the same.
type everyone struct{}

func (everyone) ID(*core.Node) string { return "all" }

var out sync.Mutex

// say prints what happened.
func say(event map[string]any) {
	out.Lock()
	defer out.Unlock()
	json.NewEncoder(os.Stdout).Encode(event)
}

func main() {
	address := flag.String("listen", "127.0.0.1:0", "where to listen")
	certificate := flag.String("cert", "", "a certificate in PEM, read anew for each connection; plaintext without one")
	key := flag.String("key", "", "its key")
	clients := flag.String("clients", "", "the roots in PEM of clients, who must show a certificate then")
	ads := flag.Bool("ads", true, "answer only when all that is asked for is there, as for one stream")
	flag.Parse()
	if err := run(*address, *certificate, *key, *clients, *ads); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, certificate, key, clients string, ads bool) error {
	snapshots := cache.NewSnapshotCache(ads, everyone{}, nil)
	options := []grpc.ServerOption{grpc.MaxConcurrentStreams(1000)}
	if certificate != "" {
		config, err := secured(certificate, key, clients)
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	grpcServer := grpc.NewServer(options...)
	xds := server.NewServer(context.Background(), snapshots, callbacks())
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, xds)
	clusterservice.RegisterClusterDiscoveryServiceServer(grpcServer, xds)
	endpointservice.RegisterEndpointDiscoveryServiceServer(grpcServer, xds)
	listenerservice.RegisterListenerDiscoveryServiceServer(grpcServer, xds)
	routeservice.RegisterRouteDiscoveryServiceServer(grpcServer, xds)
	secretservice.RegisterSecretDiscoveryServiceServer(grpcServer, xds)
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	say(map[string]any{"event": "listening", "address": socket.Addr().String()})
	go func() {
		if err := obey(snapshots); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		// Who drove us is gone.
		os.Exit(0)
	}()
	return grpcServer.Serve(socket)
}

// secured is TLS with a certificate that may be replaced.
func secured(certificate, key, clients string) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			say(map[string]any{"event": "hello", "name": hello.ServerName, "alpn": hello.SupportedProtos})
			pair, err := tls.LoadX509KeyPair(certificate, key)
			return &pair, err
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			names := []string{}
			for _, one := range state.PeerCertificates {
				names = append(names, one.Subject.CommonName)
			}
			say(map[string]any{"event": "secured", "clients": names, "resumed": state.DidResume})
			return nil
		},
	}
	if clients == "" {
		return config, nil
	}
	pem, err := os.ReadFile(clients)
	if err != nil {
		return nil, err
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no roots", clients)
	}
	return config, nil
}

// obey takes snapshots from standard input until it ends.
func obey(snapshots cache.SnapshotCache) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 256<<20)
	for lines.Scan() {
		snapshot, err := read(lines.Bytes())
		if err != nil {
			return err
		}
		if err := snapshots.SetSnapshot(context.Background(), "all", snapshot); err != nil {
			return err
		}
		say(map[string]any{"event": "set", "version": snapshot.GetVersion(resource.ClusterType)})
	}
	return lines.Err()
}

func read(line []byte) (*cache.Snapshot, error) {
	var said struct {
		Version                                         string
		Clusters, Endpoints, Listeners, Routes, Secrets []json.RawMessage
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return nil, err
	}
	resources := map[resource.Type][]types.Resource{}
	for _, kind := range []struct {
		of   resource.Type
		said []json.RawMessage
		make func() proto.Message
	}{
		{resource.ClusterType, said.Clusters, func() proto.Message { return &cluster.Cluster{} }},
		{resource.EndpointType, said.Endpoints, func() proto.Message { return &endpoint.ClusterLoadAssignment{} }},
		{resource.ListenerType, said.Listeners, func() proto.Message { return &listener.Listener{} }},
		{resource.RouteType, said.Routes, func() proto.Message { return &route.RouteConfiguration{} }},
		{resource.SecretType, said.Secrets, func() proto.Message { return &secret.Secret{} }},
	} {
		resources[kind.of] = nil
		for _, one := range kind.said {
			message := kind.make()
			if err := protojson.Unmarshal(one, message); err != nil {
				return nil, fmt.Errorf("%s: %w", kind.of, err)
			}
			resources[kind.of] = append(resources[kind.of], message)
		}
	}
	return cache.NewSnapshot(said.Version, resources)
}

// callbacks print what clients do.
func callbacks() server.CallbackFuncs {
	opened := func(protocol string) func(context.Context, int64, string) error {
		return func(ctx context.Context, id int64, url string) error {
			said, _ := metadata.FromIncomingContext(ctx)
			say(map[string]any{"event": "open", "protocol": protocol, "stream": id, "type": url, "metadata": said})
			return nil
		}
	}
	return server.CallbackFuncs{
		StreamOpenFunc:      opened("sotw"),
		DeltaStreamOpenFunc: opened("delta"),
		StreamClosedFunc: func(id int64, _ *core.Node) {
			say(map[string]any{"event": "close", "stream": id})
		},
		DeltaStreamClosedFunc: func(id int64, _ *core.Node) {
			say(map[string]any{"event": "close", "stream": id})
		},
		StreamRequestFunc: func(id int64, request *discovery.DiscoveryRequest) error {
			say(map[string]any{
				"event": "request", "stream": id, "type": request.TypeUrl, "version": request.VersionInfo,
				"nonce": request.ResponseNonce, "names": request.ResourceNames, "node": request.Node.GetId(),
				"refused": request.ErrorDetail.GetMessage(),
			})
			return nil
		},
		StreamDeltaRequestFunc: func(id int64, request *discovery.DeltaDiscoveryRequest) error {
			say(map[string]any{
				"event": "request", "stream": id, "type": request.TypeUrl, "nonce": request.ResponseNonce,
				"names": request.ResourceNamesSubscribe, "dropped": request.ResourceNamesUnsubscribe, "node": request.Node.GetId(),
				"held": len(request.InitialResourceVersions), "refused": request.ErrorDetail.GetMessage(),
			})
			return nil
		},
		StreamResponseFunc: func(_ context.Context, id int64, _ *discovery.DiscoveryRequest, answer *discovery.DiscoveryResponse) {
			say(map[string]any{
				"event": "answer", "stream": id, "type": answer.TypeUrl, "version": answer.VersionInfo, "nonce": answer.Nonce,
				"count": len(answer.Resources),
			})
		},
		StreamDeltaResponseFunc: func(id int64, _ *discovery.DeltaDiscoveryRequest, answer *discovery.DeltaDiscoveryResponse) {
			say(map[string]any{
				"event": "answer", "stream": id, "type": answer.TypeUrl, "version": answer.SystemVersionInfo,
				"nonce": answer.Nonce, "count": len(answer.Resources), "removed": len(answer.RemovedResources),
			})
		},
	}
}
