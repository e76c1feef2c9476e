package command_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/experiment"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/inspect"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/frontend/syntax"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/data"
)

// The bars of every parser, whatever it reads.
const (
	parserTime   = 2 * time.Second
	parserMemory = 256 << 20 // allocated while one input is read: more than was ever in use
)

// aParser is a way into dnnc for bytes of others.
type aParser struct {
	name  string
	seeds [][]byte // valid inputs, which are mutated
	read  func(raw []byte) error
	mend  func(raw []byte) // makes checksums right, lest they hide what lies after them
}

func fileOf(t *testing.T, path string) []byte {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

// parsers are all ways in. What is read from a file gets one.
func parsers(t *testing.T) []aParser {
	dir := t.TempDir()
	with := func(name string, read func(path string) error) func(raw []byte) error {
		path := filepath.Join(dir, name)
		return func(raw []byte) error {
			// A file system writes what is truncated and written anew to its disk at once,
			// ten times slower than a new file.
			_ = os.Remove(path)
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			return read(path)
		}
	}
	images := func(path string) error {
		_, err := dataset.Load(path, dataset.Want{Memory: 64 << 20})
		_, ofNetwork := dataset.Load(path, dataset.Want{
			Inputs: []dataset.Input{{Name: "image", Shape: []int{1, 3, 4}, Low: -1, High: 1}}, Results: []dataset.Result{{Name: "y", Shape: []int{3}}}, Memory: 64 << 20})
		if ofNetwork == nil {
			return nil
		}
		return err
	}
	var texts [][]byte
	for _, pattern := range []string{dnnctest.Root + "/testdata/*/*.dnn", dnnctest.Root + "/passes/testdata/*.golden"} {
		list, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range list {
			texts = append(texts, fileOf(t, path))
		}
	}
	made := searched(t)
	texts = append(texts, []byte(small)) // without weights, which those above do not find
	// The text and the dumps of a network whose weights are there.
	code, _, stderr := dnnctest.Run(t, made.path("net.dnn"), "-target", "armv7", "-images", "8", "-emit", "c", "-o", made.path("net.c"), "-dump-dir", made.path("dumps"))
	require.Zero(t, code, stderr)
	for _, pattern := range []string{"net.safetensors", "net.dnn", "dumps/*"} {
		list, err := filepath.Glob(made.path(pattern))
		require.NoError(t, err)
		require.NotEmpty(t, list, pattern)
		for _, path := range list {
			if filepath.Ext(path) == ".dnn" {
				texts = append(texts, fileOf(t, path))
				continue
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), fileOf(t, path), 0o600))
		}
	}
	tensors := []weights.Tensor{{Name: "conv1.weight", DType: weights.F32, Shape: []int{2, 1, 3, 3}, Data: make([]byte, 72)}, {Name: "codes", DType: weights.U8, Shape: []int{5}, Data: make([]byte, 5)}}
	safetensors, npz := filepath.Join(dir, "seed.safetensors"), filepath.Join(dir, "seed.npz")
	for _, path := range []string{safetensors, npz} {
		var b bytes.Buffer
		write := weights.WriteSafetensors
		if path == npz {
			write = weights.WriteNPZ
		}
		require.NoError(t, write(&b, tensors))
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	}
	idx := append([]byte{0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5}, make([]byte, 60)...)
	var packed, picture, photo bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(idx)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 9, 7))))
	require.NoError(t, jpeg.Encode(&photo, image.NewRGBA(image.Rect(0, 0, 9, 7)), nil)) // whatever the name says
	tensorsRead := func(raw []byte) error {
		f, err := weights.Parse(raw)
		if err != nil {
			return err
		}
		for _, name := range f.Names() {
			x, _ := f.Tensor(name)
			_, _ = x.Float32()
		}
		return nil
	}
	set, err := dataset.EncodeNPZ(data.Batch{N: 2, Shape: []int{1, 3, 4}, X: make([]float32, 24), Labels: []int{1, 2}})
	require.NoError(t, err)
	ctx := context.Background()
	for _, folder := range []string{"pictures/a", "sounds/a", "pairs/masks", "pairs/images"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, folder), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pairs", "images", "x.png"), picture.Bytes(), 0o600))
	const head = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 12), }\n"
	npy := append([]byte("\x93NUMPY\x01\x00"+string(rune(len(head)))+"\x00"+head), make([]byte, 96)...)
	sound := append([]byte("RIFF\x34\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x18\x00\x00\x00"), make([]byte, 24)...)
	return []aParser{
		{name: "text", seeds: texts, read: func(raw []byte) error {
			_, _ = syntax.Format("x.dnn", raw)
			m, err := frontend.Parse(filepath.Join(dir, "x.dnn"), raw, frontend.Options{})
			if err != nil {
				return err
			}
			return ir.Infer(m).Err()
		}},
		{name: "safetensors", seeds: [][]byte{fileOf(t, safetensors)}, read: tensorsRead},
		{name: "npz", seeds: [][]byte{fileOf(t, npz)}, read: tensorsRead, mend: mendZip},
		{name: "onnx", seeds: [][]byte{onnxModel(true), fileOf(t, dnnctest.Root+"/frontend/onnx/testdata/lstm_1/model.onnx"), fileOf(t, dnnctest.Root+"/frontend/onnx/testdata/gru_1/model.onnx")}, read: func(raw []byte) error {
			_, err := onnx.Parse("net", raw, onnx.Options{})
			return err
		}},
		{name: "tflite", seeds: [][]byte{fileOf(t, dnnctest.Root+"/frontend/tflite/testdata/network/model.tflite"), fileOf(t, dnnctest.Root+"/frontend/tflite/testdata/network_int8/model.tflite"),
			fileOf(t, dnnctest.Root+"/frontend/tflite/testdata/transpose_conv_int8_1/model.tflite"), fileOf(t, dnnctest.Root+"/frontend/tflite/testdata/unpack_int8_1/model.tflite")}, read: func(raw []byte) error {
			_, err := tflite.Parse("net", raw, tflite.Options{})
			return err
		}},
		{name: "idx", seeds: [][]byte{idx, packed.Bytes()}, read: with("x-images-idx3-ubyte", images)},
		{name: "cifar", seeds: [][]byte{make([]byte, 2*3073)}, read: with("x.bin", images)},
		{name: "npz data set", seeds: [][]byte{set}, read: with("x.npz", images), mend: mendZip},
		{name: "npy", seeds: [][]byte{npy}, read: with("x.npy", images)},
		{name: "CSV", seeds: [][]byte{[]byte("a,b,c,y\n0.5,1,0,1\n"), []byte("\xef\xbb\xbf0;\"1\";1\n.5;0;0\n")}, read: with("x.csv", images)},
		{name: "WAV", seeds: [][]byte{sound}, read: with("sounds/a/x.wav", func(string) error { return images(filepath.Join(dir, "sounds")) })},
		{name: "mask", seeds: [][]byte{picture.Bytes()}, mend: mendPNG, read: with("pairs/masks/x.png", func(string) error { return images(filepath.Join(dir, "pairs")) })},
		{name: "picture", seeds: [][]byte{picture.Bytes(), photo.Bytes()}, mend: mendPNG, read: with("pictures/a/x.png", func(string) error { return images(filepath.Join(dir, "pictures")) })},
		{name: "certificate", seeds: [][]byte{fileOf(t, made.path("net.json"))}, read: with("x.json", func(path string) error {
			if err := inspect.Explain(ctx, []string{path}, nil, io.Discard, io.Discard); err != nil {
				return err
			}
			var limits, losses inspect.Limits
			if err := errors.Join(limits.Set("weights=+2%,arena=+0,cycles=+2%"), losses.Set("flash=+0,loss=+0.5")); err != nil {
				return err
			}
			var refusal *diag.Diagnostic // most measure nothing
			if err := inspect.Diff([]string{path, path}, inspect.Guard{Max: losses}, io.Discard); err != nil && !errors.As(err, &refusal) {
				return err
			}
			return inspect.Diff([]string{path, path}, inspect.Guard{Max: limits}, io.Discard)
		})},
		{name: "object", seeds: [][]byte{fileOf(t, made.path("net.o")), fileOf(t, made.path("armv6m.o")), fileOf(t, made.path("armv7.o"))}, read: with("x.o", func(path string) error {
			return inspect.Size(ctx, []string{path}, nil, io.Discard, io.Discard)
		})},
		{name: "checkpoint", seeds: [][]byte{fileOf(t, made.path("state"))}, read: made.resumed(t)},
		{name: "experiment", seeds: experiments(t), read: func(raw []byte) error {
			for _, quick := range []bool{false, true} {
				if _, err := experiment.Parse("x.exp", string(raw), quick); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "arguments", seeds: [][]byte{[]byte("-O int8 'a b' \"c\\\"d\" -bits 2\n"), []byte("@x -v\n")}, read: with("args", func(path string) error {
			_, _, err := command.Expanded([]string{"@" + path})
			return err
		})},
	}
}

// experiments are the texts of all experiment files.
func experiments(t *testing.T) (texts [][]byte) {
	list, err := filepath.Glob(dnnctest.Root + "/testdata/experiments/*.exp")
	require.NoError(t, err)
	for _, path := range list {
		texts = append(texts, fileOf(t, path))
	}
	return texts
}

// onnxModel is a convolution and a relu, as protobuf's wire has them; its weights are
// zeros, or an input.
func onnxModel(hasWeights bool) []byte {
	type part = []byte
	number := func(field protowire.Number, v uint64) part {
		return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), v)
	}
	inner := func(field protowire.Number, parts ...part) part {
		return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), bytes.Join(parts, nil))
	}
	text := func(field protowire.Number, s string) part { return inner(field, part(s)) }
	value := func(field protowire.Number, name string, shape ...uint64) part {
		var dims []part
		for _, d := range shape {
			dims = append(dims, inner(1, number(1, d)))
		}
		return inner(field, text(1, name), inner(2, inner(1, number(1, 1), inner(2, dims...))))
	}
	weights := value(11, "w", 2, 1, 3, 3)
	if hasWeights {
		weights = inner(5, number(1, 2), number(1, 1), number(1, 3), number(1, 3), number(2, 1), text(8, "w"), inner(9, make(part, 72)))
	}
	return bytes.Join([]part{number(1, 8), inner(8, number(2, 13)), inner(7,
		inner(1, text(1, "x"), text(1, "w"), text(2, "c"), text(3, "conv"), text(4, "Conv"), inner(5, text(1, "pads"), number(8, 1), number(8, 1), number(8, 1), number(8, 1), number(20, 7))),
		inner(1, text(1, "c"), text(2, "y"), text(3, "act"), text(4, "Relu")),
		value(11, "x", 1, 1, 6, 6), weights, value(12, "y", 1, 2, 6, 6))}, nil)
}

// search is the folder of a small network that was searched and built.
type search string

func (s search) path(name string) string { return filepath.Join(string(s), name) }

func (s search) flags() []string {
	return []string{s.path("net.dnn"), "-target", "x86_64", "-images", "8", "-errors", "gaussian=0.1", "-O", "robust", "-task", "classes", "-bits", "3", "-formats", "odd2,odd4", "-checkpoint", s.path("state"), "-o", s.path("net.o")}
}

// resumed gives checkpoints to the search as it begins. What is accepted must be what
// was measured.
func (s search) resumed(t *testing.T) func(raw []byte) error {
	ctx := context.Background()
	o, files, err := command.Parse("build", s.flags())
	require.NoError(t, err)
	o.Input, o.StopAfter, o.Checkpoint = files[0], passes.Widened, ""
	r, err := driver.Compile(ctx, o, io.Discard, io.Discard)
	require.NoError(t, err)
	again, err := robust.New(r.Module, r.Env)
	require.NoError(t, err)
	require.NoError(t, again.Restore(fileOf(t, s.path("state"))))
	measured := again.Costs()
	count := 0
	for _, row := range measured {
		for _, is := range row.Measured {
			if is {
				count++
			}
		}
	}
	require.Positive(t, count)
	return func(raw []byte) error {
		if err := again.Restore(raw); err != nil {
			return err
		}
		if !reflect.DeepEqual(measured, again.Costs()) {
			panic("costs that nobody measured were accepted")
		}
		return nil
	}
}

func searched(t *testing.T) search {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	s := search(t.TempDir())
	rng := rand.New(rand.NewPCG(1, 1))
	tensor := func(name string, shape ...int) weights.Tensor {
		size := 1
		for _, d := range shape {
			size *= d
		}
		var data []byte
		for range size {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(rng.Float32()-.5))
		}
		return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: data}
	}
	var b bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&b, []weights.Tensor{tensor("conv1.weight", 8, 1, 3, 3), tensor("fc.weight", 3, 288)}))
	require.NoError(t, os.WriteFile(s.path("net.safetensors"), b.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(s.path("net.dnn"), []byte("tensors \"net.safetensors\"\nnetwork net(x: f32[1,8,8] in [0,1]) -> f32[3] {\n  conv1 = conv2d(x, filters: 8, kernel: 3)\n  fc = linear(relu(conv1), units: 3)\n  return fc\n}\n"), 0o600))
	code, _, stderr := dnnctest.Run(t, s.flags()...)
	require.Zero(t, code, stderr)
	for _, name := range []string{"armv6m", "armv7"} { // objects of 32 bits
		code, _, stderr := dnnctest.Run(t, s.path("net.dnn"), "-target", name, "-images", "8", "-O", "universal", "-bits", "1", "-rounding", "nearest", "-o", s.path(name+".o"))
		require.Zero(t, code, stderr)
	}
	return s
}

// mutated is a valid input with some damage: bits, bytes, pieces cut out, doubled or
// taken from another one, numbers at the limits.
func mutated(rng *rand.Rand, seeds [][]byte) []byte {
	raw := bytes.Clone(seeds[rng.IntN(len(seeds))])
	for range 1 + rng.IntN(4) {
		if len(raw) == 0 {
			break
		}
		at := rng.IntN(len(raw))
		n := 1 + rng.IntN(min(64, len(raw)-at))
		switch rng.IntN(7) {
		case 0:
			raw[at] ^= 1 << rng.IntN(8)
		case 1:
			raw[at] = byte(rng.Uint32())
		case 2:
			raw = raw[:at]
		case 3:
			raw = append(raw[:at:at], raw[at+n:]...)
		case 4:
			raw = append(raw[:at+n:at+n], raw[at:]...)
		case 5:
			other := seeds[rng.IntN(len(seeds))]
			from := rng.IntN(len(other))
			raw = append(append(raw[:at:at], other[from:min(len(other), from+n)]...), raw[at:]...)
		case 6:
			limits := [][]byte{{0, 0, 0, 0}, {255, 255, 255, 255}, {255, 255, 255, 127}, {0, 0, 0, 128}, {0, 0, 0, 64}, []byte("99999999999"), []byte("-1"), {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
			copy(raw[at:], limits[rng.IntN(len(limits))])
		}
	}
	return raw
}

// mendPNG makes the checksums of a picture's chunks right: each is its length, a name of
// four bytes, its content, and the checksum of both (PNG specification, 5.3).
func mendPNG(raw []byte) {
	for at := 8; at+12 <= len(raw); {
		n := int(binary.BigEndian.Uint32(raw[at:]))
		if n > len(raw)-at-12 {
			return
		}
		binary.BigEndian.PutUint32(raw[at+8+n:], crc32.ChecksumIEEE(raw[at+4:at+8+n]))
		at += 12 + n
	}
}

// mendZip makes the checksums of an archive's files right in its directory and after
// the files, which are stored as they are (APPNOTE 4.3.7, 4.3.9 and 4.3.12).
func mendZip(raw []byte) {
	for at := 0; at+46 <= len(raw); at++ {
		if !bytes.HasPrefix(raw[at:], []byte("PK\x01\x02")) {
			continue
		}
		n, from := int(binary.LittleEndian.Uint32(raw[at+20:])), int(binary.LittleEndian.Uint32(raw[at+42:]))
		if from > len(raw)-30 {
			continue
		}
		from += 30 + int(binary.LittleEndian.Uint16(raw[from+26:])) + int(binary.LittleEndian.Uint16(raw[from+28:]))
		if from+n > len(raw)-8 {
			continue
		}
		sum := crc32.ChecksumIEEE(raw[from : from+n])
		binary.LittleEndian.PutUint32(raw[at+16:], sum)
		if bytes.HasPrefix(raw[from+n:], []byte("PK\x07\x08")) {
			binary.LittleEndian.PutUint32(raw[from+n+4:], sum)
		}
	}
}

// processorTime is what this process has used of its processors: unlike a clock it says
// the same on a busy machine. What waits instead of computing ends the test within a minute.
func processorTime(t *testing.T) time.Duration {
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestParsersWithstand reads mutated inputs, 100,000 of each parser in make test-full:
// no panic, no hang, no more memory than the bars say.
func TestParsersWithstand(t *testing.T) {
	if testing.Short() {
		t.Skip("not short")
	}
	n := dnnctest.Repeats(300, 100_000)
	allocated := func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	for _, p := range parsers(t) {
		t.Run(p.name, func(t *testing.T) {
			whole := 0
			for _, s := range p.seeds {
				if p.read(s) == nil {
					whole++
				}
			}
			require.Positive(t, whole, "no valid input to begin with")
			rng := rand.New(rand.NewPCG(9, uint64(len(p.name))))
			accepted := 0
			var longest time.Duration
			var most uint64
			for i := range n {
				raw := mutated(rng, p.seeds)
				if p.mend != nil && i%2 == 1 {
					p.mend(raw)
				}
				keep := func(what string) string {
					path := filepath.Join(os.TempDir(), fmt.Sprintf("dnnc-%s-%d", filepath.Base(p.name), i))
					_ = os.WriteFile(path, raw, 0o600)
					return fmt.Sprintf("input %d (%s): %s", i, path, what)
				}
				hang := time.AfterFunc(time.Minute, func() { panic(keep("a minute without an end")) })
				before, from := allocated(), processorTime(t)
				func() {
					defer hang.Stop()
					defer func() {
						if r := recover(); r != nil {
							t.Fatal(keep(fmt.Sprintf("panic: %v\n%s", r, debug.Stack())))
						}
					}()
					if p.read(raw) == nil {
						accepted++
					}
				}()
				took, memory := processorTime(t)-from, allocated()-before
				longest, most = max(longest, took), max(most, memory)
				assert.Less(t, took, parserTime, "%s", keepIf(took >= parserTime, keep, "too long"))
				assert.Less(t, memory, uint64(parserMemory), "%s", keepIf(memory >= parserMemory, keep, "too much memory"))
				if t.Failed() {
					return
				}
			}
			t.Logf("%d inputs, %d of them accepted; at most %v of a processor and %.1f MB", n, accepted, longest.Round(time.Millisecond), float64(most)/(1<<20))
		})
	}
}

func keepIf(bad bool, keep func(string) string, what string) string {
	if bad {
		return keep(what)
	}
	return what
}
