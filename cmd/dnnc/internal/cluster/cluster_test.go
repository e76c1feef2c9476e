package cluster

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/cells"
)

// serve runs a server for the time of a test.
func serve(t testing.TB, s Serving) (url string) {
	s.Listen, s.Dir = "127.0.0.1:0", t.TempDir()
	return serveIn(t, s)
}

func serveIn(t testing.TB, s Serving) (url string) {
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, s, func(url string) { ready <- url })
	}()
	t.Cleanup(func() { stop(); assert.NoError(t, <-ended) })
	select {
	case url = <-ready:
	case err := <-ended:
		ended <- nil
		require.NoError(t, err)
	}
	return url
}

func silent(string, ...any) {}

func connect(t testing.TB, url string) *Cluster {
	x, err := Connect(context.Background(), Config{URL: url})
	require.NoError(t, err)
	t.Cleanup(x.Close)
	return x
}

// TestAddresses: bytes leave the machine by TLS alone, and what is secret in an address is in no message.
func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"nats://127.0.0.1:4222": "", "nats://localhost": "", "nats://[::1]:1": "", "ws://127.0.0.1:80": "", "tls://farm:4222": "", "tls://a:1, tls://b:1": "", "nats://127.8.8.8:1": "",
		"nats://farm:4222":               "nats://farm:4222: a network and its images would leave this machine without TLS; tls://farm:4222 asks for it",
		"nats://hush:secret@10.0.0.1:1":  "nats://10.0.0.1:1: a network and its images would leave this machine without TLS; tls://10.0.0.1:1 asks for it",
		"tls://farm:1,nats://farm:1":     "nats://farm:1: a network",
		"nats://127.0.0.1.example.com:1": "nats://127.0.0.1.example.com:1: a network",
		"http://secret@127.0.0.1":        "http://127.0.0.1: the schemes are",
		"127.0.0.1:4222":                 "no address of a NATS server",
		"":                               "no address of a NATS server",
		"nats://":                        "no address of a NATS server",
	} {
		err := isSafe(address)
		if want == "" {
			assert.NoError(t, err, address)
			continue
		}
		require.Error(t, err, address)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, err.Error(), "hush")
		_, err = Connect(context.Background(), Config{URL: address})
		assert.Error(t, err)
	}
	assert.Equal(t, "tls://a:1,nats://b", Public("tls://token@a:1,nats://user:pass@b"))
	assert.Equal(t, "?", Public("nats://a b:c@"), "what is no URL is not repeated")
}

// TestServersSeenByOthers have TLS and a token.
func TestServersSeenByOthers(t *testing.T) {
	never := func(string) { t.Error("it serves") }
	for _, c := range []struct {
		s    Serving
		want string
	}{
		{Serving{Listen: "0.0.0.0:0"}, "a certificate and its key are needed"},
		{Serving{Listen: ":0"}, "a certificate and its key are needed"},
		{Serving{Listen: "127.0.0.1"}, "missing port"},
		{Serving{Listen: "127.0.0.1:many"}, "no number"},
		{Serving{Listen: "127.0.0.1:0", Cert: "none", Key: "none"}, "no such file"},
	} {
		c.s.Dir = t.TempDir()
		assert.ErrorContains(t, Serve(context.Background(), c.s, never), c.want)
	}
	url := serve(t, Serving{})
	taken := Serving{Listen: strings.TrimPrefix(url, "nats://"), Dir: t.TempDir()}
	assert.ErrorContains(t, Serve(context.Background(), taken, never), "address already in use")
}

// TestFoldersOfServers: one server has a folder at a time; what is none is said at once.
func TestFoldersOfServers(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	never := func(string) { t.Error("it serves") }
	dir := t.TempDir()
	serveIn(t, Serving{Listen: "127.0.0.1:0", Dir: dir})
	from := time.Now()
	assert.EqualError(t, Serve(ctx, Serving{Listen: "127.0.0.1:0", Dir: dir}, never), dir+": another server has the folder")
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	assert.ErrorContains(t, Serve(ctx, Serving{Listen: "127.0.0.1:0", Dir: file}, never), "not a directory")
	assert.ErrorContains(t, Serve(ctx, Serving{Listen: "127.0.0.1:0", Dir: filepath.Join(file, "in")}, never), "not a directory")
	assert.Less(t, time.Since(from), 5*time.Second)
	for _, token := range []string{"two\nlines", "a b", "a:b", "a@b", "a/b", "$2a$11$x", "é"} {
		err := Serve(ctx, Serving{Listen: "127.0.0.1:0", Dir: t.TempDir(), Token: token}, never)
		require.ErrorContains(t, err, "a token is one word", token)
		assert.NotContains(t, err.Error(), token)
	}
}

// TestLongAnswers: a store takes answers longer than a message, and one whose blob is gone is none.
func TestLongAnswers(t *testing.T) {
	url := serve(t, Serving{})
	one, other := connect(t, url), connect(t, url)
	for _, size := range []int{longAnswer - 1, longAnswer, 5 << 20} {
		answer := make([]byte, size)
		_, err := rand.Read(answer)
		require.NoError(t, err)
		k := cells.KeyOf("long", size)
		require.NoError(t, one.Store(t.Context(), t.Logf).Put(k, answer))
		got, ok, err := other.Store(t.Context(), t.Logf).Get(k)
		require.NoError(t, err)
		require.True(t, ok)
		assert.True(t, bytes.Equal(answer, got))
		if size >= longAnswer {
			require.NoError(t, other.blobs.Delete(t.Context(), nameOf(answer)))
			_, ok, err = one.Store(t.Context(), t.Logf).Get(k)
			require.NoError(t, err)
			assert.False(t, ok)
		}
	}
}

// certificate writes a certificate of this machine and its key.
func certificate(t *testing.T) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	public, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}

// naming is the URL of a server that stands before another one and names an address in its first line.
func naming(t *testing.T, before, address string) (url string) {
	scheme, host, _ := strings.Cut(before, "://")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", host)
			if !assert.NoError(t, err) {
				return
			}
			r := bufio.NewReader(server)
			line, err := r.ReadString('\n')
			assert.NoError(t, err)
			fmt.Fprint(client, strings.Replace(line, "{", fmt.Sprintf(`{"connect_urls":[%q],`, address), 1))
			go io.Copy(server, client)
			go io.Copy(client, r)
		}
	}()
	return scheme + "://" + listener.Addr().String()
}

// TestOtherServers: what is no server of a cluster is said, and no address that a server names is called: it could be
// another machine's, without TLS.
func TestOtherServers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, err = Connect(context.Background(), Config{URL: "nats://" + address})
	assert.EqualError(t, err, "nats://"+address+": no server answers there")

	x := connect(t, naming(t, serve(t, Serving{}), "farm.example:4222"))
	assert.Empty(t, x.conn.DiscoveredServers())
	cert, key := certificate(t)
	x, err = Connect(context.Background(), Config{URL: naming(t, serve(t, Serving{Cert: cert, Key: key}), "farm.example:4222"), CA: cert})
	require.NoError(t, err)
	defer x.Close()
	assert.Equal(t, []string{"tls://farm.example:4222"}, x.conn.DiscoveredServers(), "by TLS")
}

// TestTLS: by the token and the authority alone.
func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	url := serve(t, Serving{Cert: cert, Key: key, Token: "hush"})
	require.True(t, strings.HasPrefix(url, "tls://127.0.0.1:"), url)
	host := strings.TrimPrefix(url, "tls://")
	for _, c := range []Config{{URL: url, CA: cert}, {URL: "tls://hush@" + host}, {URL: "tls://hash@" + host, CA: cert}, {URL: "nats://hush@" + host}} {
		_, err := Connect(context.Background(), c)
		require.Error(t, err, c)
		assert.NotContains(t, err.Error(), "hush")
	}
	x, err := Connect(context.Background(), Config{URL: "tls://hush@" + host, CA: cert})
	require.NoError(t, err)
	defer x.Close()
	got, err := cells.Answer(context.Background(), x.Store(context.Background(), silent), cells.KeyOf("q"), cells.Any[int], func() (int, error) { return 3, nil })
	require.NoError(t, err)
	assert.Equal(t, 3, got)
}

// TestStore: answers are computed once by any number of processes, and outlive those.
func TestStore(t *testing.T) {
	url := serve(t, Serving{})
	var computed atomic.Int32
	var all sync.WaitGroup
	const processes, questions = 4, 12
	for range processes {
		s := connect(t, url).Store(context.Background(), silent)
		all.Go(func() {
			for q := range questions {
				got, err := cells.Answer(context.Background(), s, cells.KeyOf(q), cells.Any[float64], func() (float64, error) { computed.Add(1); return float64(q) / 3, nil })
				assert.NoError(t, err)
				assert.Equal(t, float64(q)/3, got)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, questions, computed.Load())

	a, b := connect(t, url), connect(t, url)
	release, ok, err := a.Store(context.Background(), silent).Claim(cells.Key{1})
	require.NoError(t, err)
	require.True(t, ok)
	_, ok, err = b.Store(context.Background(), silent).Claim(cells.Key{1})
	require.NoError(t, err)
	assert.False(t, ok)
	release()
	release, ok, err = b.Store(context.Background(), silent).Claim(cells.Key{1})
	require.NoError(t, err)
	assert.True(t, ok)
	release()

	other, err := Connect(context.Background(), Config{URL: url, Name: "other"})
	require.NoError(t, err)
	defer other.Close()
	_, ok, err = cells.Known(other.Store(context.Background(), silent), cells.KeyOf(1), cells.Any[float64])
	require.NoError(t, err)
	assert.False(t, ok, "buckets of another name")

	ctx, stop := context.WithCancel(context.Background())
	stop()
	_, _, err = a.Store(ctx, silent).Get(cells.Key{2})
	assert.ErrorContains(t, err, Public(url))
}

// TestOutages: a search goes on where its cluster is away, and with it when it is back; its workers wait.
func TestOutages(t *testing.T) {
	dir := t.TempDir()
	start := func(listen string) (url string, stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		ready, ended := make(chan string, 1), make(chan error, 1)
		go func() {
			ended <- Serve(ctx, Serving{Listen: listen, Dir: dir}, func(url string) { ready <- url })
		}()
		select {
		case url = <-ready:
		case err := <-ended:
			require.NoError(t, err)
		}
		return url, func() { cancel(); assert.NoError(t, <-ended) }
	}
	url, stop := start("127.0.0.1:0")
	var mu sync.Mutex
	var said []string
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, args...))
	}
	has := func(text string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Contains(said, text)
		}
	}
	x := connect(t, url)
	s := x.Store(context.Background(), say)
	ask := func(q, answer int) int {
		from := time.Now()
		got, err := cells.Answer(context.Background(), s, cells.KeyOf(q), cells.Any[int], func() (int, error) { return answer, nil })
		require.NoError(t, err)
		require.Less(t, time.Since(from), patience/2)
		return got
	}
	assert.Equal(t, 1, ask(1, 1))
	release, ok, err := s.Claim(cells.Key{1})
	require.NoError(t, err)
	require.True(t, ok)
	ctx, cancel := context.WithCancel(context.Background())
	worked := make(chan error, 1)
	w := connect(t, url)
	go func() { worked <- w.Work(ctx, 0, say, nil) }()
	stop()
	require.Eventually(t, func() bool { return !x.conn.IsConnected() }, time.Minute, time.Millisecond)
	assert.Equal(t, 5, ask(1, 5), "computed again")
	assert.Equal(t, 2, ask(2, 2))
	release()
	require.Eventually(t, has(url+": no server answers there; the search goes on without it"), time.Minute, time.Millisecond)
	_, stop = start(strings.TrimPrefix(url, "nats://"))
	defer stop()
	require.Eventually(t, x.conn.IsConnected, time.Minute, time.Millisecond)
	assert.Equal(t, 1, ask(1, 5), "the cluster has it")
	assert.Equal(t, 3, ask(2, 3), "it never had that")
	require.Eventually(t, has(url+": answers again"), time.Minute, time.Millisecond)
	cancel()
	require.NoError(t, <-worked)
	mu.Lock()
	defer mu.Unlock()
	assert.LessOrEqual(t, len(said), 3, said)
}

// TestLeases: what a process that was killed has in hand is void after a lease.
func TestLeases(t *testing.T) {
	if os.Getenv("DNNC_FULL") == "" {
		t.Skip("takes the time of a lease")
	}
	url := serve(t, Serving{})
	a, b := connect(t, url), connect(t, url)
	_, err := a.claims.Create(context.Background(), cells.Key{1}.String(), nil) // which nobody renews
	require.NoError(t, err)
	_, ok, err := a.Store(context.Background(), silent).Claim(cells.Key{2})
	require.NoError(t, err)
	require.True(t, ok)
	claims := func(k cells.Key) bool {
		_, ok, err := b.Store(context.Background(), silent).Claim(k)
		require.NoError(t, err)
		return ok
	}
	require.False(t, claims(cells.Key{1}))
	require.Eventually(t, func() bool { return claims(cells.Key{1}) }, 3*lease, lease/10)
	time.Sleep(lease)
	assert.False(t, claims(cells.Key{2}), "its holder renews it")
}

// TestJobs: workers get the words and blobs of a job, once; not those of another version, or blobs that are not what their names say;
// a job that ends ends their work.
func TestJobs(t *testing.T) {
	url := serve(t, Serving{})
	x, w := connect(t, url), connect(t, url)
	ctx, stop := context.WithCancel(context.Background())
	var mu sync.Mutex
	var said []string
	has := func(text string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return strings.Contains(strings.Join(said, "\n"), text)
		}
	}
	began, worked := make(chan string, 10), make(chan error, 1)
	go func() {
		worked <- w.Work(ctx, 1<<22, func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, fmt.Sprintf(format, args...))
		}, func(ctx context.Context, words json.RawMessage, blobs map[string][]byte) error {
			began <- fmt.Sprintf("%s %d %s", words, len(blobs["large"]), blobs["small"])
			if bytes.Contains(words, []byte("long")) {
				<-ctx.Done()
			}
			if bytes.Contains(words, []byte("fails")) {
				return fmt.Errorf("it fails")
			}
			return nil
		})
	}()
	large := bytes.Repeat([]byte("0123456789"), 300_000)
	end, err := x.Publish(context.Background(), json.RawMessage(`{"a":"quick"}`), map[string][]byte{"large": large, "small": []byte("s")})
	require.NoError(t, err)
	assert.Equal(t, `{"a":"quick"} 3000000 s`, <-began)
	require.Eventually(t, has(": done"), time.Minute, time.Millisecond)
	end()
	end, err = x.Publish(context.Background(), json.RawMessage(`{"a":"long"}`), map[string][]byte{"large": large})
	require.NoError(t, err)
	assert.Equal(t, `{"a":"long"} 3000000 `, <-began)
	end()
	require.Eventually(t, has("ended by others"), time.Minute, time.Millisecond)
	end, err = x.Publish(context.Background(), json.RawMessage(`{"a":"fails"}`), nil)
	require.NoError(t, err)
	<-began
	require.Eventually(t, has(": it fails"), time.Minute, time.Millisecond)
	end()

	for text, want := range map[string]string{
		`{"version":"0.0.1","arch":"amd64"}`: `is of dnnc "0.0.1" on "amd64"`,
		"no job":                             "invalid character",
		fmt.Sprintf(`{"version":%q,"arch":%q,"blobs":{"x":"none"}}`, thisVersion, thisArch): `its "x": `,
	} {
		_, err := x.jobs.Put(context.Background(), fmt.Sprintf("job-%d", len(text)), []byte(text))
		require.NoError(t, err)
		require.Eventually(t, has(want), time.Minute, time.Millisecond, text)
	}
	_, err = x.blobs.PutString(context.Background(), "abc", "not what it says")
	require.NoError(t, err)
	_, err = x.jobs.Put(context.Background(), "forged", fmt.Appendf(nil, `{"version":%q,"arch":%q,"blobs":{"y":"abc"}}`, thisVersion, thisArch))
	require.NoError(t, err)
	require.Eventually(t, has("a blob is not what its name says"), time.Minute, time.Millisecond)
	end, err = x.Publish(context.Background(), json.RawMessage(`{"a":"heavy"}`), map[string][]byte{"a": large, "b": large[1:]})
	require.NoError(t, err)
	defer end()
	require.Eventually(t, has("-mem has 1194304 left"), time.Minute, time.Millisecond)
	many := map[string][]byte{}
	for i := range 100 {
		many[fmt.Sprint(i)] = nil
	}
	end, err = x.Publish(context.Background(), json.RawMessage(`{"a":"many"}`), many)
	require.NoError(t, err)
	defer end()
	require.Eventually(t, has("has 100 blobs"), time.Minute, time.Millisecond)
	stop()
	require.NoError(t, <-worked)
	assert.Empty(t, began)
}

// BenchmarkCell is what an answer costs beside its computation, over a server on this machine: looked for, claimed, kept, and
// taken by another process.
func BenchmarkCell(b *testing.B) {
	url := serve(b, Serving{})
	stores := []cells.Store{connect(b, url).Store(context.Background(), silent), connect(b, url).Store(context.Background(), silent)}
	compute := func() (string, error) { return "of about the length that the answer of a search has", nil }
	for i := 0; b.Loop(); i++ {
		for _, s := range stores {
			_, ok, err := cells.Try(s, cells.KeyOf(i), cells.Any[string], compute)
			require.NoError(b, err)
			require.True(b, ok)
		}
	}
}
