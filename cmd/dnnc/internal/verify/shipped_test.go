package verify_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/emu"
)

const bitExact = "of 4 test images and 8 of 8 adversarial inputs bit-exact"

// builds are kinds of build that verify does again from what the certificate records.
var builds = map[string]struct {
	network string
	flags   []string
}{
	"int8":       {"logits", nil},
	"fixed":      {"logits", []string{"-fix", "conv=4,fc=code3"}},
	"universal":  {"detector", []string{"-O", "universal", "-bits", "3"}},
	"nearest":    {"seg", []string{"-O", "universal", "-bits", "3", "-rounding", "nearest", "-activations", "percentile"}},
	"robust":     {"logits", []string{"-O", "robust", "-bits", "3"}},
	"aimed":      {"classes", []string{"-O", "robust", "-formats", "odd4,odd8", "-seed", "10", "-calib", "more.npz"}},
	"promised":   {"classes", []string{"-O", "robust", "-formats", "odd4,odd8", "-keep", ".2", "-mem", "1GiB", "-seed", "10", "-calib", "more.npz"}},
	"compressed": {"classes", []string{"-O", "compress", "-seed", "10", "-calib", "more.npz"}},
	"qstar":      {"classes", []string{"-O", "robust", "-search", "qstar", "-bits", "2.5", "-time", "100ms"}},
	"guided":     {"classes", []string{"-O", "robust", "-bits", "3", "-errors", "light=0.1;gaussian=0.1"}},
	"compress":   {"logits", []string{"-O", "compress", "-bits", "3"}},
	"dumped":     {"logits", []string{"-O", "robust", "-bits", "3", "-emit", "obj,lib,ir,c,asm,llvm"}},
	"prefix":     {"value", []string{"-prefix", "other", "-O", "int8,size"}},
	"hooks":      {"value", []string{"-hooks", "-section", ".extflash"}},
	"lent":       {"logits", []string{"-lend"}},
	"noise":      {"value", nil}, // without -calib
	"cortex":     {"logits", []string{"-mcpu", "cortex-m7"}},
	"calibrated": {"logits", []string{"-seed", "5", "-images", "17"}},
}

// TestShippedObjectsVerify builds again what ships, on three targets, from the network or
// the dump beside it, and finds network and data by the certificate.
func TestShippedObjectsVerify(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	path := dnnctest.KindsFolder(t)
	for name, b := range builds {
		targets := []string{"armv7em"}
		if name == "int8" || name == "robust" || name == "dumped" {
			targets = []string{"x86_64", "armv7", "armv7em"}
		}
		for _, target := range targets {
			dir := path(name + "-" + target)
			require.NoError(t, os.Mkdir(dir, 0o755))
			object := filepath.Join(dir, "net.o")
			args := append([]string{path(b.network + ".dnn"), "-target", target, "-images", "20", "-n", "20", "-errors", "gaussian=0.1",
				"-data", path("labelled.npz"), "-o", object}, b.flags...)
			if name != "noise" && !slices.Contains(args, "-calib") {
				args = append(args, "-calib", path("labelled.npz"))
			}
			if last := len(args) - 1; args[last] == "more.npz" {
				args[last] = path(args[last])
			}
			code, _, stderr := dnnctest.Run(t, args...)
			require.Zero(t, code, "%s: %s", name, stderr)
			code, stdout, stderr := dnnctest.Run(t, "verify", object, "-n", "4")
			require.Zero(t, code, "%s on %s: %s", name, target, stderr)
			source := b.network + ".dnn"
			if name == "dumped" {
				source = "net.out.dnn"
			}
			assert.Contains(t, stdout, "net.o: built again from "+source+", equal in all ", name)
			assert.Contains(t, stdout, "4 "+bitExact, name)
			assert.NotContains(t, stderr, "task:", "nothing is searched again")
			assert.Contains(t, stdout, "against its float network before any pass, on the test images: ", name)
			if name == "dumped" && target == "armv7em" {
				for _, file := range []string{"libnet.a", "net.c", "net.s", "net.ll"} {
					code, stdout, stderr := dnnctest.Run(t, "verify", filepath.Join(dir, file), "-n", "4")
					require.Zero(t, code, "%s: %s", file, stderr)
					assert.Contains(t, stdout, file+": built again from net.out.dnn, equal in all ")
					if file == "libnet.a" {
						assert.Contains(t, stdout, bitExact)
					} else {
						assert.Contains(t, stdout, "not run")
					}
				}
				dumpsOf(t, object, path(b.network+".dnn"), path("w.safetensors"))
				// Without its dump, by the recorded formats.
				require.NoError(t, os.Remove(filepath.Join(dir, "net.out.dnn")))
				code, stdout, stderr := dnnctest.Run(t, "verify", object, "-n", "4")
				require.Zero(t, code, stderr)
				assert.Contains(t, stdout, "built again from logits.dnn")
			}
		}
	}
}

// TestShippedFilesThatChanged: one byte of the object, its header, its certificate, its
// network or its images, and verify fails with 1 and runs nothing.
func TestShippedFilesThatChanged(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	path := dnnctest.KindsFolder(t)
	for _, target := range []string{"x86_64", "armv7", "armv7em"} {
		base := path(target)
		build := func(network string) {
			code, _, stderr := dnnctest.Run(t, path(network+".dnn"), "-target", target, "-O", "universal", "-bits", "3", "-images", "20", "-calib", path("data.npz"), "-emit", "obj,lib", "-lend", "-o", base+".o")
			require.Zero(t, code, stderr)
		}
		build("logits")
		for _, file := range []string{base + ".o", base + ".h", base + ".weights", base + ".json", path("lib" + target + ".a"), path("logits.dnn"), path("w.safetensors"), path("data.npz")} {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			places := []int{len(raw) / 2}
			if filepath.Ext(file) == ".json" {
				places = []int{1, len(raw) / 3, len(raw) / 2, len(raw) - 2}
			}
			if filepath.Ext(file) == ".npz" {
				places = []int{200}
			}
			if filepath.Ext(file) == ".dnn" {
				places = []int{len(raw) - 1} // a line's end
			}
			for _, at := range places {
				changed := bytes.Clone(raw)
				if changed[at] ^= 1; filepath.Ext(file) == ".dnn" {
					changed[at] = ' '
				}
				require.NoError(t, os.WriteFile(file, changed, 0o644))
				shipped := base + ".o"
				if filepath.Ext(file) == ".a" {
					shipped = file
				}
				code, stdout, stderr := dnnctest.Run(t, "verify", shipped, "-n", "4")
				assert.Equal(t, command.AtFault, code, "%s: %s", file, stderr)
				assert.NotContains(t, stdout, "bit-exact", file)
				assert.Contains(t, stderr, filepath.Base(file), "%s: %s", file, stderr)
			}
			require.NoError(t, os.WriteFile(file, raw, 0o644))
		}
		code, _, stderr := dnnctest.Run(t, "verify", base+".o", "-n", "4")
		require.Zero(t, code, stderr)

		// Another network's object and certificate do not go together.
		object, err := os.ReadFile(base + ".o")
		require.NoError(t, err)
		build("detector")
		require.NoError(t, os.WriteFile(base+".o", object, 0o644))
		code, _, stderr = dnnctest.Run(t, "verify", base+".o", "-n", "4")
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, "it was not run")
	}
}

// dumpsOf: an object that is built again from its dump is held to the network that the dump
// was made of, where it is there.
func dumpsOf(t *testing.T, object, network, tensors string) {
	t.Helper()
	for _, file := range []string{network, tensors} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		changed := bytes.Clone(raw)
		if changed[len(raw)-1] ^= 1; file == network {
			changed[len(raw)-1] = ' '
		}
		require.NoError(t, os.WriteFile(file, changed, 0o644))
		code, stdout, stderr := dnnctest.Run(t, "verify", object, "-n", "4")
		assert.Equal(t, command.AtFault, code, file)
		assert.Contains(t, stderr, filepath.Base(file))
		assert.NotContains(t, stdout, "bit-exact")
		require.NoError(t, os.WriteFile(file, raw, 0o644))
	}
	require.NoError(t, os.Rename(network, network+".away"))
	code, stdout, stderr := dnnctest.Run(t, "verify", object, "-n", "4")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "not compared with a float network: its network is not where the certificate says")
	require.NoError(t, os.Rename(network+".away", network))
}

// TestEveryByte changes bytes of a certificate, of a header and of an object: verify fails with 1
// and runs nothing. With DNNC_FULL it is each byte of the first two, and every target.
func TestEveryByte(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	targets, most := []string{"x86_64", "armv7em"}, map[string]int{".json": 150, ".h": 150, ".o": 50}
	if dnnctest.IsFull() {
		targets, most = processor.Names(), map[string]int{".json": 1 << 20, ".h": 1 << 20, ".o": 200}
	}
	path := dnnctest.KindsFolder(t)
	for _, target := range targets {
		base := path(target)
		code, _, stderr := dnnctest.Run(t, path("value.dnn"), "-target", target, "-images", "20", "-calib", path("data.npz"), "-o", base+".o")
		require.Zero(t, code, stderr)
		for ending, most := range most {
			raw, err := os.ReadFile(base + ending)
			require.NoError(t, err)
			step := max(len(raw)/most, 1)
			for at := 0; at < len(raw); at += step {
				changed := bytes.Clone(raw)
				changed[at] ^= 1 << (at % 7)
				require.NoError(t, os.WriteFile(base+ending, changed, 0o644))
				code, stdout, stderr := dnnctest.Run(t, "verify", base+".o", "-n", "1")
				require.Equal(t, command.AtFault, code, "%s%s, byte %d: %s%s", target, ending, at, stdout, stderr)
				require.Empty(t, stdout)
			}
			for _, changed := range [][]byte{raw[:len(raw)-1], append(bytes.Clone(raw), '\n'), nil} {
				require.NoError(t, os.WriteFile(base+ending, changed, 0o644))
				code, _, stderr := dnnctest.Run(t, "verify", base+".o", "-n", "1")
				require.Equal(t, command.AtFault, code, "%s%s of %d bytes: %s", target, ending, len(changed), stderr)
			}
			require.NoError(t, os.WriteFile(base+ending, raw, 0o644))
		}
		if tgt, err := processor.Find(target); err == nil && emu.Check(tgt) == nil {
			code, stdout, stderr := dnnctest.Run(t, "verify", base+".o", "-n", "1")
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, "bit-exact")
		}
	}
}

// TestShippedFilesAreRegular: no file of a build is waited for or read without end.
func TestShippedFilesAreRegular(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Symlink("/dev/zero", path("zero.o")))
	require.NoError(t, os.WriteFile(path("net.o"), []byte("an object"), 0o644))
	require.NoError(t, os.Symlink("/dev/zero", path("net.json")))
	for _, file := range []string{path("zero.o"), path("net.o")} {
		code, _, stderr := dnnctest.Run(t, "verify", file)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, "is a device, not a regular file")
	}
}

// TestForgedCertificates have a right sum, and lie: what is built again does not.
func TestForgedCertificates(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	path := dnnctest.KindsFolder(t)
	code, _, stderr := dnnctest.Run(t, path("logits.dnn"), "-target", "armv7em", "-images", "20", "-calib", path("data.npz"), "-o", path("net.o"))
	require.Zero(t, code, stderr)
	raw, err := os.ReadFile(path("net.json"))
	require.NoError(t, err)
	for name, forge := range map[string]func(c *certificate.Certificate){
		"not what logits.dnn makes": func(c *certificate.Certificate) { // an object of one's own
			object, err := os.ReadFile(path("net.o"))
			require.NoError(t, err)
			object[len(object)/2] ^= 1
			require.NoError(t, os.WriteFile(path("net.o"), object, 0o644))
			c.Output("obj").SHA256 = sum(object)
		},
		"the certificate says weight_bytes 1": func(c *certificate.Certificate) { c.WeightBytes = 1 },
		"the certificate says stack_bytes 1":  func(c *certificate.Certificate) { c.StackBytes = 1 },
		"Bits:3 ":                             func(c *certificate.Certificate) { c.Layers[0].Bits = 3 },
		"MACs:7 ":                             func(c *certificate.Certificate) { c.Layers[0].MACs = 7 },
		"has the content":                     func(c *certificate.Certificate) { c.Content = strings.Repeat("0", 64) },
		"in the certificate":                  func(c *certificate.Certificate) { c.Layers[0].Format = "odd99" },
		"has the content ":                    func(c *certificate.Certificate) { c.Layers[0].Format = "odd2" },
		"armv7":                               func(c *certificate.Certificate) { c.Target = "armv7" },
		"lists no output net.o":               func(c *certificate.Certificate) { c.Outputs = c.Outputs[1:] },
		"not the network":                     func(c *certificate.Certificate) { c.Inputs[0].SHA256 = strings.Repeat("0", 64) },
	} {
		object, err := os.ReadFile(path("net.o"))
		require.NoError(t, err)
		var c certificate.Certificate
		require.NoError(t, json.Unmarshal(raw, &c))
		forge(&c)
		text, err := c.JSON()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path("net.json"), text, 0o644))
		code, stdout, stderr := dnnctest.Run(t, "verify", path("net.o"), "-n", "4")
		assert.Equal(t, command.AtFault, code, "%s: %s", name, stdout)
		assert.NotContains(t, stdout, "bit-exact", name)
		if name != "armv7" {
			assert.Contains(t, stderr, strings.TrimSpace(name))
		}
		require.NoError(t, os.WriteFile(path("net.o"), object, 0o644))
	}
}

// TestRunUnknown runs what is not known on the user's word alone.
func TestRunUnknown(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	path := dnnctest.KindsFolder(t)
	code, _, stderr := dnnctest.Run(t, path("logits.dnn"), "-target", "armv7em", "-images", "20", "-calib", path("data.npz"), "-o", path("net.o"))
	require.Zero(t, code, stderr)
	object, err := os.ReadFile(path("net.o"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path("net.o"), append(object, 0), 0o644)) // which no linker minds
	code, stdout, stderr := dnnctest.Run(t, "verify", path("net.o"), "-n", "4")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "an object is code")
	assert.NotContains(t, stdout, "bit-exact")
	code, stdout, stderr = dnnctest.Run(t, "verify", path("net.o"), "-n", "4", "-run-unknown")
	require.Zero(t, code, stderr)
	assert.Contains(t, stderr, "dnnc: warning: [unknown-object] net.o: not the file that net.json describes")
	assert.Contains(t, stdout, "bit-exact")
	assert.NotContains(t, stdout, "equal in all")
	// The weights of one that computes something else.
	changed := bytes.Clone(object)
	at := bytes.Index(changed, weightsOf(t, object))
	for i := range 64 {
		changed[at+i] ^= 0x7f
	}
	require.NoError(t, os.WriteFile(path("net.o"), changed, 0o644))
	code, _, stderr = dnnctest.Run(t, "verify", path("net.o"), "-n", "4", "-run-unknown")
	assert.Equal(t, command.AtFault, code, "a failed check is no internal error")
	assert.Contains(t, stderr, "check-failed: input 0: ")
	// Moved, with its data: the network is said.
	require.NoError(t, os.WriteFile(path("net.o"), object, 0o644))
	require.NoError(t, os.Rename(path("logits.dnn"), path("moved.dnn")))
	code, _, stderr = dnnctest.Run(t, "verify", path("net.o"), "-n", "4")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "-network FILE says where it is now")
}

func sum(raw []byte) string {
	h := sha256.Sum256(raw)
	return hex.EncodeToString(h[:])
}

// weightsOf is the bytes of the largest section of constants.
func weightsOf(t *testing.T, object []byte) []byte {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(object))
	require.NoError(t, err)
	var largest []byte
	for _, s := range f.Sections {
		if s.Type == elf.SHT_PROGBITS && s.Flags&elf.SHF_EXECINSTR == 0 && strings.Contains(s.Name, "rodata") {
			raw, err := s.Data()
			require.NoError(t, err)
			if len(raw) > len(largest) {
				largest = raw
			}
		}
	}
	require.NotEmpty(t, largest)
	return largest
}
