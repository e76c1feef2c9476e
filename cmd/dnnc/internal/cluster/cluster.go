// Package cluster spreads a search over machines by NATS JetStream: answers and claims are a
// store of runtime/cells in key-value buckets, and a job, of which the network and its images are
// blobs of an object store, tells workers what to search. No other package knows NATS.
package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/runtime/cells"
)

// Config is how a cluster is reached.
type Config struct {
	URL         string // nats://host:port, tls://host:port; several with commas between them
	Credentials string // file of a user's JWT and key; "" for none
	CA          string // file of the authority that certifies the server; "" for those of the system
	Name        string // first part of the buckets' names; "" is DefaultName
}

// DefaultName is the first part of the names of buckets.
const DefaultName = "dnnc"

// The limits of what is taken from a cluster.
const (
	maxAnswer = 1 << 20
	maxJob    = 1 << 20
	maxBlobs  = 8 // of a job, which has three
)

// lease is the time after which a claim or a job that nobody renews is void; they are renewed
// several times in it.
const (
	lease = 12 * time.Second
	renew = lease / 4
)

// What computes equal bits.
const (
	thisVersion = version.Compiler
	thisArch    = runtime.GOARCH
)

// blobLife is the time that networks and images stay in a cluster; a build sends them again.
const blobLife = 7 * 24 * time.Hour

// look is the time between two looks at the jobs.
const look = time.Second / 2

// patience is the time that one request may take.
const patience = 20 * time.Second

// blobPatience is the time that a long answer may take.
const blobPatience = 5 * time.Minute

// Cluster is a connection to one.
type Cluster struct {
	url                   string
	conn                  *nats.Conn
	answers, claims, jobs jetstream.KeyValue
	blobs                 jetstream.ObjectStore
}

// Connect connects to a cluster, and makes the buckets that it lacks. Networks leave the machine
// by TLS alone.
func Connect(ctx context.Context, c Config) (*Cluster, error) {
	if err := isSafe(c.URL); err != nil {
		return nil, err
	}
	options := []nats.Option{nats.Name("dnnc"), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second), nats.Timeout(patience / 4),
		nats.SetCustomDialer(&dialer{net.Dialer{Timeout: patience / 4}, byTLS(c.URL)})}
	if c.Credentials != "" {
		options = append(options, nats.UserCredentials(c.Credentials))
	}
	if c.CA != "" {
		options = append(options, nats.RootCAs(c.CA))
	}
	if !byTLS(c.URL) {
		// A server names others, which may be on other machines, and would be called as it was.
		options = append(options, nats.IgnoreDiscoveredServers())
	}
	conn, err := nats.Connect(c.URL, options...)
	if err != nil {
		return nil, failed(Public(c.URL), err)
	}
	x := &Cluster{url: Public(c.URL), conn: conn}
	if err := x.buckets(ctx, c.Name); err != nil {
		conn.Close()
		return nil, x.failed(err)
	}
	return x, nil
}

func (x *Cluster) buckets(ctx context.Context, name string) error {
	if name == "" {
		name = DefaultName
	}
	js, err := jetstream.New(x.conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, b := range []struct {
		to   *jetstream.KeyValue
		name string
		most int32
		ttl  time.Duration
	}{{&x.answers, "answers", maxAnswer, 0}, {&x.claims, "claims", 256, lease}, {&x.jobs, "jobs", maxJob, lease}} {
		c := jetstream.KeyValueConfig{Bucket: name + "-" + b.name, MaxValueSize: b.most, TTL: b.ttl}
		if *b.to, err = js.CreateOrUpdateKeyValue(ctx, c); err != nil {
			return err
		}
	}
	x.blobs, err = js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: name + "-blobs", TTL: blobLife})
	return err
}

// Close ends the connection.
func (x *Cluster) Close() { x.conn.Close() }

// Public is a URL without what is secret in it: a password, or a token in its place.
func Public(list string) string {
	var all []string
	for _, one := range strings.Split(list, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil {
			all = append(all, "?")
			continue
		}
		u.User = nil
		all = append(all, u.String())
	}
	return strings.Join(all, ",")
}

// isSafe refuses addresses to which bytes would go as they are: all but TLS and this machine.
func isSafe(list string) error {
	for _, one := range strings.Split(list, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" {
			return errors.New("the URL is no address of a NATS server; one is nats://127.0.0.1:4222 or tls://host:4222")
		}
		switch u.Scheme {
		case "tls", "wss":
		case "nats", "ws":
			if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
				return fmt.Errorf("%s: a network and its images would leave this machine without TLS; tls://%s asks for it", Public(one), u.Host)
			}
		default:
			return fmt.Errorf("%s: the schemes are nats and ws, on this machine alone, and tls and wss", Public(one))
		}
	}
	return nil
}

// byTLS reports whether all bytes go by TLS, as they do to all servers where one is asked for it.
func byTLS(list string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(one string) bool {
		u, err := url.Parse(strings.TrimSpace(one))
		return err == nil && (u.Scheme == "tls" || u.Scheme == "wss")
	})
}

// failed is an error with the cluster that it is of.
func (x *Cluster) failed(err error) error { return failed(x.url, err) }

func failed(url string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrDisconnected):
		return fmt.Errorf("%s: no server answers there", url)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer for %v; the server must have JetStream", url, patience)
	}
	return fmt.Errorf("%s: %w", url, err)
}

// Store is the store of answers. Nothing that happens to the cluster ends a search: as long as it does not answer, the
// store has nothing, keeps nothing, and grants every claim. say is told when that begins and when it ends.
func (x *Cluster) Store(ctx context.Context, say func(format string, args ...any)) cells.Store {
	return &store{Cluster: x, ctx: ctx, say: say}
}

type store struct {
	*Cluster
	ctx context.Context
	say func(format string, args ...any)

	mu    sync.Mutex
	away  bool
	until time.Time // when it is asked again
}

// absence is the time for which a cluster is not asked that did not answer.
const absence = 30 * time.Second

// ask asks the cluster, and reports whether it answered. An error is of the context alone.
func (s *store) ask(request func(ctx context.Context) error) (answered bool, err error) {
	return s.askFor(patience, request)
}

func (s *store) askFor(patience time.Duration, request func(ctx context.Context) error) (answered bool, err error) {
	s.mu.Lock()
	waits := time.Now().Before(s.until)
	s.mu.Unlock()
	if waits {
		return false, s.failed(s.ctx.Err())
	}
	err = nats.ErrDisconnected // which a request would wait for
	if s.conn.IsConnected() {
		ctx, cancel := context.WithTimeout(s.ctx, patience)
		err = request(ctx)
		cancel()
	}
	if gone := s.ctx.Err(); gone != nil {
		return false, s.failed(gone)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && s.away:
		s.away = false
		s.say("%s: answers again", s.url)
	case err != nil:
		if !s.away {
			s.say("%v; the search goes on without it", s.failed(err))
		}
		s.away = true
		if s.conn.IsConnected() {
			s.until = time.Now().Add(absence)
		}
	}
	return err == nil, nil
}

func (s *store) Get(k cells.Key) (answer []byte, ok bool, err error) {
	_, err = s.ask(func(ctx context.Context) error {
		e, err := s.answers.Get(ctx, k.String())
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		if err == nil {
			answer, ok = e.Value(), true
		}
		return err
	})
	name, isBlob := bytes.CutPrefix(answer, []byte(inBlob))
	if !ok || !isBlob {
		return answer, ok, err
	}
	answer, ok = nil, false
	_, err = s.askFor(blobPatience, func(ctx context.Context) error {
		most := uint64(mostLong)
		content, err := s.blob(ctx, string(name), &most)
		if err != nil && ctx.Err() == nil && s.conn.IsConnected() { // it has outlived its time, or is none of dnnc's
			return nil
		}
		answer, ok = content, err == nil
		return err
	})
	return answer, ok, err
}

// inBlob begins what stands in a bucket for a long answer: the rest is the name of a blob. No answer begins so.
const inBlob = "blob "

// longAnswer is the least bytes of an answer that is a blob: below what a message may have.
const longAnswer = maxAnswer / 2

// mostLong bounds a long answer that is taken.
const mostLong = 1 << 28

func (s *store) Put(k cells.Key, answer []byte) error {
	if len(answer) >= longAnswer {
		name := nameOf(answer)
		answered, err := s.askFor(blobPatience, func(ctx context.Context) error {
			_, err := s.blobs.PutBytes(ctx, name, answer)
			return err
		})
		if !answered {
			return err
		}
		answer = []byte(inBlob + name)
	}
	_, err := s.ask(func(ctx context.Context) error {
		_, err := s.answers.Put(ctx, k.String(), answer)
		return err
	})
	return err
}

// Claim makes a key that lives for a lease, and renews it.
func (s *store) Claim(k cells.Key) (release func(), ok bool, err error) {
	held := false
	answered, err := s.ask(func(ctx context.Context) error {
		_, err := s.claims.Create(ctx, k.String(), nil)
		if held = errors.Is(err, jetstream.ErrKeyExists); held {
			return nil
		}
		return err
	})
	if err != nil || held {
		return nil, false, err
	}
	if !answered {
		return func() {}, true, nil
	}
	end := s.keep(s.claims, k.String(), nil)
	return func() {
		end()
		s.drop(s.claims, k.String())
	}, true, nil
}

// drop deletes a key whose lease would end otherwise.
func (x *Cluster) drop(kv jetstream.KeyValue, key string) {
	if !x.conn.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), renew)
	defer cancel()
	_ = kv.Delete(ctx, key)
}

// keep renews a key until end is called.
func (x *Cluster) keep(kv jetstream.KeyValue, key string, value []byte) (end func()) {
	until, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-until.Done():
				return
			case <-time.After(renew):
			}
			ctx, cancel := context.WithTimeout(until, renew)
			_, _ = kv.Put(ctx, key, value)
			cancel()
		}
	})
	return func() { stop(); all.Wait() }
}

// Job is a search that workers may join: what to search, in words, and the names of blobs by what they are.
type Job struct {
	Version string            `json:"version"` // of dnnc
	Arch    string            `json:"arch"`    // of the processors that compute equal bits
	Words   json.RawMessage   `json:"words"`
	Blobs   map[string]string `json:"blobs"`
}

// nameOf is the name of a blob or a job: its hash.
func nameOf(content []byte) string {
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:])
}

// Publish offers a job until end is called. Blobs that the cluster has already are not sent again.
func (x *Cluster) Publish(ctx context.Context, words json.RawMessage, blobs map[string][]byte) (end func(), err error) {
	j := Job{Version: thisVersion, Arch: thisArch, Words: words, Blobs: map[string]string{}}
	for what, content := range blobs {
		name := nameOf(content)
		j.Blobs[what] = name
		if info, err := x.blobs.GetInfo(ctx, name); err == nil && info.Size == uint64(len(content)) {
			continue
		}
		if _, err := x.blobs.PutBytes(ctx, name, content); err != nil {
			return nil, x.failed(err)
		}
	}
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	name := nameOf(text)
	if _, err := x.jobs.Put(ctx, name, text); err != nil {
		return nil, x.failed(err)
	}
	stop := x.keep(x.jobs, name, text)
	return func() {
		stop()
		x.drop(x.jobs, name)
	}, nil
}

// blob is a blob by its hash, of at most so many bytes, of which it takes its own.
func (x *Cluster) blob(ctx context.Context, name string, most *uint64) ([]byte, error) {
	info, err := x.blobs.GetInfo(ctx, name)
	if err != nil {
		return nil, err
	}
	if info.Size > *most {
		return nil, fmt.Errorf("it has %d bytes, and -mem has %d left", info.Size, *most)
	}
	*most -= info.Size
	o, err := x.blobs.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	content, err := io.ReadAll(io.LimitReader(o, int64(info.Size)))
	if err != nil {
		return nil, err
	}
	if nameOf(content) != name {
		return nil, errors.New("a blob is not what its name says")
	}
	return content, nil
}

// Work takes part in jobs, one after the other, until ctx ends: run searches one, whose blobs take at most so many
// bytes. A job that ends stops it. say is told of jobs that are begun, done, failed, and of those that are not for this worker.
func (x *Cluster) Work(ctx context.Context, most uint64, say func(format string, args ...any), run func(ctx context.Context, words json.RawMessage, blobs map[string][]byte) error) error {
	seen := map[string]bool{}
	away := false
	for {
		list, err := x.jobs.Keys(ctx)
		isAway := err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) && ctx.Err() == nil
		if isAway && !away {
			say("%v; it waits until the cluster answers", x.failed(err))
		}
		away = isAway
		for _, name := range list {
			if !seen[name] && ctx.Err() == nil {
				seen[name] = x.join(ctx, name, most, say, run)
			}
		}
		for name := range seen { // one that is offered again is a new one
			if !isAway && !slices.Contains(list, name) {
				delete(seen, name)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(look):
		}
	}
}

// join takes part in one job, and reports whether there is no more to do for it.
func (x *Cluster) join(ctx context.Context, name string, most uint64, say func(format string, args ...any), run func(ctx context.Context, words json.RawMessage, blobs map[string][]byte) error) bool {
	short := name[:min(8, len(name))]
	e, err := x.jobs.Get(ctx, name)
	if err != nil {
		return errors.Is(err, jetstream.ErrKeyNotFound) // it has ended, or the cluster does not answer
	}
	var j Job
	if err := json.Unmarshal(e.Value(), &j); err != nil {
		say("job %s: %v", short, err)
		return true
	}
	if j.Version != thisVersion || j.Arch != thisArch {
		say("job %s is of dnnc %q on %q; this is dnnc %s on %s, whose numbers may have other bits: it takes no part", short, j.Version, j.Arch, thisVersion, thisArch)
		return true
	}
	if len(j.Blobs) > maxBlobs {
		say("job %s has %d blobs, and one of dnnc at most %d", short, len(j.Blobs), maxBlobs)
		return true
	}
	blobs := map[string][]byte{}
	for _, what := range slices.Sorted(maps.Keys(j.Blobs)) { // so that the one that is too large is the same one each time
		if blobs[what], err = x.blob(ctx, j.Blobs[what], &most); err != nil {
			say("job %s: its %q: %v", short, what, err)
			return true
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // until the job ends
		for ctx.Err() == nil {
			if _, err := x.jobs.Get(ctx, name); errors.Is(err, jetstream.ErrKeyNotFound) {
				stop()
			}
			select {
			case <-ctx.Done():
			case <-time.After(look):
			}
		}
	}()
	say("job %s: begun", short)
	err = run(ctx, j.Words, blobs)
	switch {
	case ctx.Err() != nil:
		say("job %s: ended by others", short)
	case err != nil:
		say("job %s: %v", short, err)
	default:
		say("job %s: done", short)
	}
	return true
}
