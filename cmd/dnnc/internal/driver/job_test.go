package driver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

// TestJobsAskTheSameQuestions: a worker that has nothing but a job finds every answer that the build has left: its network,
// images, errors and task are the same to the last bit.
func TestJobsAskTheSameQuestions(t *testing.T) {
	kinds, sensors := dnnctest.KindsFolder(t), dnnctest.SensorsFolder(t)
	for what, set := range map[string]func(o *driver.Options){
		"classes":        func(o *driver.Options) { o.Input, o.Calib = kinds("classes.dnn"), kinds("labelled.npz") },
		"without labels": func(o *driver.Options) { o.Input, o.Calib, o.Task = kinds("logits.dnn"), kinds("data.npz"), "classes" },
		"of noise":       func(o *driver.Options) { o.Input = kinds("classes.dnn") },
		"two results": func(o *driver.Options) {
			o.Input, o.Calib, o.Task = kinds("detector.dnn"), kinds("data.npz"), "fc=classes, box=values weight: 2"
		},
		"values":     func(o *driver.Options) { o.Input, o.Calib = sensors("sensors.dnn"), sensors("sensors.npz") },
		"time first": func(o *driver.Options) { o.Input, o.Calib = sensors("steps.dnn"), sensors("steps.npz") },
		"two inputs": func(o *driver.Options) {
			o.Input, o.Calib, o.Errors = sensors("both.dnn"), sensors("both.npz"), "gaussian=0.1"
		},
		"of several wishes": func(o *driver.Options) {
			o.Input, o.Calib, o.Objective, o.Fix, o.Activations, o.MinBits = kinds("seg.dnn"), kinds("data.npz"), "worst", []string{"conv=odd3"}, "percentile,16", 2
			o.Task = "values"
		},
		"guided by gradients": func(o *driver.Options) {
			o.Input, o.Calib, o.Errors = kinds("classes.dnn"), kinds("labelled.npz"), "light=0.1"
		},
		"for a share": func(o *driver.Options) {
			o.Input, o.Calib, o.Task, o.Budget.Bits = kinds("logits.dnn"), kinds("more.npz"), "classes", 0
		},
		"a method of others": func(o *driver.Options) {
			o.Input, o.Calib, o.Search = kinds("classes.dnn"), kinds("labelled.npz"), "greedy-nearest"
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			o := driver.Defaults()
			o.Target, o.Level, o.Images, o.Errors, o.Seed = "x86_64", "robust", 40, "gaussian=0.1", 3
			o.Budget.Bits, o.Formats = 3, []string{"odd1", "odd3", "odd5", "vec4x16"}
			o.Output, o.Emit, o.StopAfter, o.Sharing.Store = filepath.Join(dir, "net.dnn"), []string{"ir"}, "robust", filepath.Join(dir, "store")
			o.Budget.FreeCycles, o.Budget.FreeRAM = true, true
			set(&o)
			var words json.RawMessage
			var blobs map[string][]byte
			o.Sharing.Offer = func(w json.RawMessage, b map[string][]byte) error { words, blobs = w, b; return nil }
			require.NoError(t, driver.Build(context.Background(), o, io.Discard, io.Discard))
			require.NotEmpty(t, words)
			computed, taken, err := driver.Take(words, blobs, o.Sharing.Store)
			require.NoError(t, err)
			assert.Zero(t, computed)
			assert.Positive(t, taken)
		})
	}
}

// TestJobsOfOthers: a job that no dnnc wrote is an error and writes nothing beside its own folder.
func TestJobsOfOthers(t *testing.T) {
	good, _, err := driver.Packed(data.Batch{N: 1, Shape: []int{1, 8, 8}, X: make([]float32, 64)})
	require.NoError(t, err)
	require.Equal(t, 1, good.N)
	for words, blobs := range map[string]map[string][]byte{
		"[":                    nil,
		"{}":                   {"../out": []byte("x")},
		`{"Target":"x86_64"}`:  {"network.dnn": []byte("network"), "images": []byte("none")},
		`{"Target":"unknown"}`: {},
	} {
		computed, _, err := driver.Take(json.RawMessage(words), blobs, t.TempDir())
		assert.Error(t, err, words)
		assert.Zero(t, computed)
	}
	for _, text := range [][]byte{nil, {1}, bytes.Repeat([]byte{255}, 100)} {
		_, err := driver.Unpack(text)
		assert.ErrorContains(t, err, "the images of the job")
	}
}

// TestPackedImages: a byte an element where there are few levels, and every bit in any case.
func TestPackedImages(t *testing.T) {
	few, many := make([]float32, 4000), make([]float32, 4000)
	for i := range few {
		few[i], many[i] = float32(i%256)/255, float32(i)/7
	}
	odd := []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), math.SmallestNonzeroFloat32}
	for _, c := range []struct {
		x    []float32
		most int // bytes
	}{{few, 7000}, {many, 24000}, {odd, 1000}} {
		b := data.Batch{N: 1, Shape: []int{len(c.x)}, X: c.x, Levels: true, Labels: []int{3}, At: []int{7}, Places: []string{"a.png"}}
		got, bytes, err := driver.Packed(b)
		require.NoError(t, err)
		assert.LessOrEqual(t, bytes, c.most)
		for i, x := range c.x {
			require.Equal(t, math.Float32bits(x), math.Float32bits(got.X[i]))
		}
		got.X, b.X = nil, nil
		assert.Equal(t, b, got)
	}
}

// TestClusters: a build over a server that others run has the bytes of one alone, with workers and without, and a second one takes
// its answers; workers wait for more. Servers and workers end well by what ends services, and by Ctrl-C.
func TestClusters(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	dir := path("")
	start := func(words ...string) (first string, stop func(by syscall.Signal)) {
		c := dnnctest.StandIn(t, dir, words...)
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		c.Stderr = os.Stderr
		require.NoError(t, c.Start())
		r := bufio.NewReader(out)
		first, err = r.ReadString('\n')
		require.NoError(t, err)
		return first, func(by syscall.Signal) {
			_ = syscall.Kill(-c.Process.Pid, by)
			said, _ := io.ReadAll(r)
			assert.NoError(t, c.Wait())
			assert.Contains(t, string(said), " has stopped", by)
		}
	}
	first, stop := start("cluster", "-dir", "buckets", "-listen", "127.0.0.1:0")
	defer stop(syscall.SIGTERM)
	url := strings.Fields(first)[2]
	require.True(t, strings.HasPrefix(url, "nats://127.0.0.1:"), first)
	build := func(out string, args ...string) string {
		text, err := dnnctest.StandIn(t, dir, append(sharedSearch(out), args...)...).CombinedOutput()
		require.NoError(t, err, string(text))
		return string(dnnctest.Contents(t, dir, out)[out])
	}
	alone := build("alone.dnn")
	assert.Equal(t, alone, build("net.dnn", "-cluster", url), "without workers")
	waits, end := start("worker", "-cluster", url)
	_, endOther := start("worker", "-cluster", url)
	endOther(syscall.SIGINT)
	defer end(syscall.SIGTERM)
	assert.Equal(t, "waits for searches at "+url+"\n", waits)
	assert.Equal(t, alone, build("net.dnn", "-cluster", url, "-cluster-name", "dnnc"), "with all answers")
	assert.Equal(t, alone, build("net.dnn", "-cluster", url))

	out, err := dnnctest.StandIn(t, dir, append(sharedSearch("x.dnn"), "-cluster", "nats://127.0.0.1:1")...).CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "-cluster: nats://127.0.0.1:1")
	for _, args := range [][]string{{"-store", "s"}, {"-workers", "2"}} {
		out, err := dnnctest.StandIn(t, dir, append(sharedSearch("x.dnn"), append(args, "-cluster", url)...)...).CombinedOutput()
		assert.Error(t, err)
		assert.Contains(t, string(out), "in place of -store and -workers")
	}
	assert.NoFileExists(t, path("x.dnn"))
}

// TestKilledServer kills the server of a search at random moments and starts it again, or kills its build or a worker, too; what comes
// out at the end is what one process alone makes.
func TestKilledServer(t *testing.T) {
	rounds := dnnctest.Repeats(0, 5)
	if rounds == 0 {
		t.Skip("a request to a server that is killed waits long")
	}
	path := dnnctest.KindsFolder(t)
	dir := path("")
	search := func(out string) []string {
		return append(sharedSearch(out), "-images", "80", "-formats", "odd,vec,code")
	}
	from := time.Now()
	out, err := dnnctest.StandIn(t, dir, search("alone.dnn")...).CombinedOutput()
	require.NoError(t, err, string(out))
	usual := time.Since(from)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	kill := func(c *exec.Cmd) {
		if c.ProcessState != nil { // it has ended, and its number may be another one's
			return
		}
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
	}
	start := func(words ...string) *exec.Cmd {
		c := dnnctest.StandIn(t, dir, words...)
		c.Stderr = &bytes.Buffer{}
		require.NoError(t, c.Start())
		t.Cleanup(func() { kill(c) })
		return c
	}
	serve := func() *exec.Cmd {
		c := start("cluster", "-dir", "buckets", "-listen", address)
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
			}
			return err == nil
		}, time.Minute, 5*time.Millisecond)
		return c
	}
	flags := []string{"-cluster", "nats://" + address}
	for i := range rounds {
		require.NoError(t, os.RemoveAll(path("buckets")))
		server := serve()
		worker := start(append([]string{"worker"}, flags...)...)
		build := start(append(search("killed.dnn"), flags...)...)
		time.Sleep(time.Duration(rand.Int64N(int64(usual))))
		kill(server)
		time.Sleep(time.Duration(rand.Int64N(int64(usual / 2))))
		server = serve()
		switch i % 3 {
		case 1:
			kill(worker)
		case 2:
			kill(build)
			build = start(append(search("killed.dnn"), flags...)...)
		}
		if err := build.Wait(); err != nil { // it found no server at first, and says so; later it goes on without one
			require.Contains(t, build.Stderr.(*bytes.Buffer).String(), "no server answers there")
			require.NoError(t, start(append(search("killed.dnn"), flags...)...).Wait())
		}
		got := dnnctest.Contents(t, dir, "alone.dnn", "killed.dnn")
		assert.Equal(t, string(got["alone.dnn"]), string(got["killed.dnn"]))
		kill(worker)
		kill(server)
	}
}

// TestForgedJobs: whatever a job says, a worker that takes it ends with an answer or an error.
func TestForgedJobs(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	dir := t.TempDir()
	o := driver.Defaults()
	o.Input, o.Calib, o.Target, o.Level, o.Images, o.Errors = path("classes.dnn"), path("labelled.npz"), "x86_64", "robust", 24, "gaussian=0.1"
	o.Budget.Bits, o.Formats = 3, []string{"odd1", "odd3"}
	o.Output, o.Emit, o.StopAfter = filepath.Join(dir, "net.dnn"), []string{"ir"}, "robust"
	var words map[string]json.RawMessage
	var good map[string][]byte
	o.Sharing.Offer = func(w json.RawMessage, b map[string][]byte) error { good = b; return json.Unmarshal(w, &words) }
	require.NoError(t, driver.Build(context.Background(), o, io.Discard, io.Discard))
	images, err := driver.Unpack(good["images"])
	require.NoError(t, err)
	take := func(what string, words map[string]json.RawMessage, blobs map[string][]byte) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		text, err := json.Marshal(words)
		require.NoError(t, err)
		from := time.Now()
		_, _, err = driver.TakeWithin(ctx, text, blobs, t.TempDir())
		var broken *pass.Error
		assert.False(t, errors.As(err, &broken) || err != nil && strings.Contains(err.Error(), "internal error"), "%s: %v", what, err)
		assert.Less(t, time.Since(from), 10*time.Second, what)
	}
	values := []string{"null", "-1", "0", "1", "1e18", "1e300", `""`, `"x"`, `"1"`, "true", "{}", "[]", `["odd1"]`, `[1]`, `[-5]`, `{"conv":1}`, `{"conv":99}`, `{"Bits":-1}`, `{"Bits":1e-300}`, `{"Bytes":1}`, `{"Keep":5}`, `{"Retention":2}`}
	step := dnnctest.Repeats(8, 1) // of all, one in eight without DNNC_FULL
	for at, name := range slices.Sorted(maps.Keys(words)) {
		for i, v := range values {
			if (at+i)%step != 0 {
				continue
			}
			forged := maps.Clone(words)
			forged[name] = json.RawMessage(v)
			take(name+": "+v, forged, good)
		}
	}
	for what, change := range map[string]func(b *data.Batch){
		"no images":        func(b *data.Batch) { b.N, b.X, b.Labels = 0, nil, nil },
		"one image":        func(b *data.Batch) { *b = b.Slice(0, 1) },
		"no labels":        func(b *data.Batch) { b.Labels = nil },
		"few labels":       func(b *data.Batch) { b.Labels = b.Labels[:3] },
		"many labels":      func(b *data.Batch) { b.Labels = append(slices.Clone(b.Labels), b.Labels...) },
		"labels beyond":    func(b *data.Batch) { b.Labels = slices.Clone(b.Labels); b.Labels[0] = 1 << 40 },
		"labels below":     func(b *data.Batch) { b.Labels = slices.Clone(b.Labels); b.Labels[1] = -7 },
		"another shape":    func(b *data.Batch) { b.Shape = []int{64} },
		"of other size":    func(b *data.Batch) { b.Shape, b.X = []int{1, 4, 8}, b.X[:len(b.X)/2] },
		"no shape":         func(b *data.Batch) { b.Shape = nil; b.Others = 64 },
		"shapes below 0":   func(b *data.Batch) { b.Shape = []int{-1, -8, 8} },
		"shapes that wrap": func(b *data.Batch) { b.Shape = []int{1 << 32, 1 << 32, 1}; b.N, b.X = 5, nil },
		"others":           func(b *data.Batch) { b.Shape, b.Others = []int{1, 4, 8}, 32 },
		"others below 0":   func(b *data.Batch) { b.Others = -64; b.X = nil },
		"NaN":              func(b *data.Batch) { b.X = slices.Clone(b.X); b.X[5] = float32(math.NaN()) },
		"all NaN":          func(b *data.Batch) { b.X = slices.Repeat([]float32{float32(math.NaN())}, len(b.X)) },
		"infinite":         func(b *data.Batch) { b.X = slices.Repeat([]float32{float32(math.Inf(1))}, len(b.X)) },
		"large":            func(b *data.Batch) { b.X = slices.Repeat([]float32{3e38}, len(b.X)) },
		"levels":           func(b *data.Batch) { b.Levels = true },
		"places":           func(b *data.Batch) { b.Places = []string{"x"} },
		"at":               func(b *data.Batch) { b.At = []int{-1} },
		"at beyond":        func(b *data.Batch) { b.At = slices.Repeat([]int{1 << 50}, b.N) },
	} {
		b := images
		change(&b)
		packed, err := driver.Pack(b)
		require.NoError(t, err)
		blobs := maps.Clone(good)
		blobs["images"] = packed
		take(what, words, blobs)
	}
	for name, content := range good {
		for _, raw := range [][]byte{nil, content[:len(content)/2], bytes.Repeat([]byte("a"), 100)} {
			blobs := maps.Clone(good)
			blobs[name] = raw
			take(name, words, blobs)
		}
	}
	for _, name := range []string{"", ".", "..", "../x", "/x", "a/b", "\x00", strings.Repeat("a", 5000)} {
		blobs := maps.Clone(good)
		blobs[name] = []byte("x")
		take(name, words, blobs)
	}
}
