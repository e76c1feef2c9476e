package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/dnnc/dnnc/runtime/replace"
)

// Serving is a server of one machine, for tests and small groups.
type Serving struct {
	Listen    string // host:port; a port of 0 is any
	Dir       string // in which buckets lie
	Cert, Key string // files of TLS, without which it listens on this machine alone
	Token     string // that others must name in their URL, tls://TOKEN@host; "" of none
}

const tokenRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-"

// own makes a folder the one of this process: two servers would write each other's files.
func own(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, reason(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "dnnc-cluster"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, reason(err)
	}
	if !replace.Lock(f) {
		f.Close()
		return nil, errors.New("another server has the folder")
	}
	return func() { f.Close() }, nil
}

// reason is an error without the name of the file.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
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
	if strings.ContainsFunc(s.Token, func(r rune) bool { return !strings.ContainsRune(tokenRunes, r) }) {
		return errors.New("a token is one word of letters, digits, ., _, ~ and -, as URLs have them")
	}
	unlock, err := own(s.Dir)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Dir, err)
	}
	defer unlock()
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
