package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Serving is a server of one machine, for tests and small groups.
type Serving struct {
	Listen    string // host:port; a port of 0 is any
	Dir       string // in which buckets lie
	Cert, Key string // files of TLS, without which it listens on this machine alone
	Token     string // that others must name in their URL, tls://TOKEN@host; "" of none
}

// Serve runs a server until ctx ends; ready is told its URL.
func Serve(ctx context.Context, s Serving, ready func(url string)) error {
	host, text, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Listen, err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("%s: the port is no number from 0 to 65535", s.Listen)
	}
	o := &server.Options{ServerName: "dnnc", Host: host, Port: int(port), JetStream: true, StoreDir: s.Dir, NoSigs: true, NoLog: true, Authorization: s.Token, MaxPayload: maxAnswer * 2}
	if port == 0 {
		o.Port = server.RANDOM_PORT
	}
	scheme := "nats"
	if s.Cert != "" || s.Key != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return err
		}
		if s.Token == "" && isSafe("nats://"+s.Listen) != nil {
			return fmt.Errorf("%s is seen by other machines: a token is needed, which they name", s.Listen)
		}
		scheme, o.TLSConfig, o.TLS = "tls", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, true
	} else if err := isSafe("nats://" + s.Listen); err != nil {
		return fmt.Errorf("%s is seen by other machines: a certificate and its key are needed", s.Listen)
	}
	free, err := net.Listen("tcp", s.Listen) // the server itself tries for long, and does not say why
	if err != nil {
		return err
	}
	if err := free.Close(); err != nil {
		return err
	}
	n, err := server.NewServer(o)
	if err != nil {
		return err
	}
	n.Start()
	defer func() { n.Shutdown(); n.WaitForShutdown() }()
	if !n.ReadyForConnections(10 * time.Second) {
		return errors.New("the server does not start; perhaps its port or its folder is in use")
	}
	ready(fmt.Sprintf("%s://%s", scheme, n.Addr()))
	<-ctx.Done()
	return nil
}
