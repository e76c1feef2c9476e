package command_test

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// words are those of a command, whose quotes are a shell's.
func words(command string) (list []string) {
	for _, w := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(command, -1) {
		list = append(list, strings.Trim(w, "'"))
	}
	return list
}

// TestHelpShowsCommandsThatRun: each task and each format of data has a command, and it runs on data
// as the example says them.
func TestHelpShowsCommandsThatRun(t *testing.T) {
	from := dnnctest.KindsFolder(t)
	tensors, err := os.ReadFile(from("w.safetensors"))
	require.NoError(t, err)
	const n = 40
	unit := func(i int) float32 { return float32(i*i%251) / 251 }
	class := func(most int) func(i int) float32 {
		return func(i int) float32 { return float32(i * 7 / 3 % most) }
	}
	networks := map[string]string{ // by what -task says
		"classes": "classes", "classes axis: 0": "seg", "binary": "binary", "multilabel": "logits", "values": "value", "reconstruction": "same", "embedding": "logits", "score=classes, box=values weight: 2": "detector",
	}
	labels := map[string][]weights.Tensor{
		"classes": {filled("y", weights.U8, class(3), n)}, "classes axis: 0": {filled("y", weights.U8, class(6), n, 6, 6)}, "binary": {filled("y", weights.U8, class(2), n)},
		"multilabel": {filled("y", weights.U8, class(2), n, 3)}, "values": {filled("y", weights.F32, unit, n, 1)}, "reconstruction": {filled("y", weights.U8, class(2), n)},
		"embedding": {filled("y", weights.U8, class(5), n)}, "score=classes, box=values weight: 2": {filled("score", weights.U8, class(3), n), filled("box", weights.F32, unit, n, 4)},
	}
	items := func(name string, d weights.DType) weights.Tensor { return filled(name, d, unit, n, 1, 8, 8) }
	wav := "RIFF\xa4\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x80\x00\x00\x00" + strings.Repeat("\x10\x27\xf0\xd8", 32)
	// write makes what a path of a command names, of a part of the data.
	write := func(t *testing.T, path, task, command string) {
		file := func(name, content string) {
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
			require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
		}
		array := func(tensor weights.Tensor) string {
			kind := map[weights.DType]string{weights.U8: "|u1", weights.F32: "<f4"}[tensor.DType]
			header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }", kind, strings.Trim(strings.ReplaceAll(fmt.Sprint(tensor.Shape), " ", ", "), "[]"))
			header += strings.Repeat(" ", 117-len(header)) + "\n"
			return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), 0}) + header + string(tensor.Data)
		}
		switch filepath.Ext(path) {
		case ".npz":
			arrays := append([]weights.Tensor{items("x", weights.F32)}, labels[task]...)
			if strings.Contains(command, "-inputs late") {
				arrays = []weights.Tensor{items("early", weights.F32), items("late", weights.F32), filled("coarse", weights.U8, class(3), n), filled("fine", weights.U8, class(3), n)}
			}
			file(path, npzOf(t, arrays...))
		case ".npy":
			file(path, array(items("", weights.F32)))
			file("y"+strings.TrimPrefix(path, "x"), array(labels[task][0]))
		case ".csv":
			text := strings.Repeat("p,", 64) + "angle\n"
			for i := range n {
				for j := range 64 {
					text += fmt.Sprint(unit(64*i+j), ",")
				}
				text += fmt.Sprint(unit(i), "\n")
			}
			file(path, text)
		case "":
			picture := func(i int, most uint8) string {
				img := image.NewGray(image.Rect(0, 0, 8, 8))
				if most > 0 {
					img = image.NewGray(image.Rect(0, 0, 6, 6))
				}
				for k := range img.Pix {
					if img.Pix[k] = uint8(37 * (k + i)); most > 0 {
						img.Pix[k] %= most
					}
				}
				return pngOf(t, img)
			}
			for i := range 12 {
				switch {
				case strings.Contains(path, "-idx3-"):
					file(path, "\x00\x00\x08\x03\x00\x00\x00\x02\x00\x00\x00\x08\x00\x00\x00\x08"+strings.Repeat("\x30\xa0", 64))
					file(strings.Replace(path, "images-idx3", "labels-idx1", 1), "\x00\x00\x08\x01\x00\x00\x00\x02\x00\x02")
				case strings.HasPrefix(task, "classes axis"):
					file(fmt.Sprintf("%s/images/%d.png", path, i), picture(i, 0))
					file(fmt.Sprintf("%s/masks/%d.png", path, i), picture(i, 6))
				case strings.Contains(command, "WAV"):
					file(fmt.Sprintf("%s/%c/%d.wav", path, 'a'+rune(i%3), i), wav)
				default:
					file(fmt.Sprintf("%s/%c/%d.png", path, 'a'+rune(i%3), i), picture(i, 0))
				}
			}
		}
	}
	said := map[string]bool{}
	for _, topic := range []string{"tasks", "data"} {
		help := dnnctest.Succeed(t, "help", topic)
		what := ""
		for line := range strings.Lines(help) {
			line = strings.TrimRight(line, "\n")
			for _, named := range regexp.MustCompile(`dnnc help [a-z]+`).FindAllString(line, -1) {
				dnnctest.Succeed(t, words(named)[1:]...)
			}
			if !strings.HasPrefix(line, " ") && line != "" {
				what = line
			}
			command, ok := strings.CutPrefix(line, "    dnnc ")
			if !ok {
				continue
			}
			t.Run(line, func(t *testing.T) {
				if strings.Contains(command, "-o net.o") {
					if _, err := llvm.Find(""); err != nil {
						t.Skip(err)
					}
				}
				t.Chdir(t.TempDir())
				args := words(command)
				task := args[slices.Index(args, "-task")+1]
				said[task] = true
				text, err := os.ReadFile(from(networks[task] + ".dnn"))
				require.NoError(t, err)
				if networks[task] == "detector" {
					text = []byte(strings.Replace(string(text), "f32[3], f32[4]", "f32[3] name: score, f32[4]", 1))
				}
				if strings.Contains(what, "WAV") {
					text = []byte(strings.Replace(string(text), "in [0,1]", "in [-1,1]", 1))
				}
				require.NoError(t, os.WriteFile("net.dnn", text, 0o644)) // in the place of a model
				require.NoError(t, os.WriteFile("w.safetensors", tensors, 0o644))
				for i, w := range args {
					if i > 0 && (args[i-1] == "-calib" || args[i-1] == "-data") {
						write(t, w, task, what+command)
					}
				}
				for i := range args {
					args[i] = strings.Replace(args[i], "net.onnx", "net.dnn", 1)
				}
				// The networks are not trained, and the items mean nothing.
				code, stdout, stderr := dnnctest.Run(t, append(args, "-data-as-is", "-errors", "none")...)
				require.Zero(t, code, stderr)
				if args[0] == "eval" {
					assert.Contains(t, stdout, "task: ")
					assert.NotContains(t, stdout, "no labels")
					assert.NotContains(t, stdout, "NO LABELS")
				} else {
					assert.FileExists(t, "net.o")
				}
			})
		}
	}
	for _, task := range ir.TaskNames {
		assert.True(t, said[task], "an example of %s", task)
	}
}

// TestProposedFlagsArePasteable: a help that proposes a flag with a name or a text of the user's writes
// it by quote.Flag, as words of a shell's command line.
func TestProposedFlagsArePasteable(t *testing.T) {
	bare := regexp.MustCompile(`-(task|labels|inputs|range|shape|outputs|kind|errors|detect|metric|directions|calib|data|fix|prefix|o)[ =]+\\?"?'?%[sqv]`)
	seen := 0
	require.NoError(t, filepath.WalkDir(dnnctest.Root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "quote.Flag(") || strings.Contains(line, "sayTask(") {
				seen++
			}
			if _, help, ok := strings.Cut(line, "elp"); ok { // an argument before it repeats what the user said
				assert.NotRegexp(t, bare, help, path)
			}
		}
		return err
	}))
	assert.Greater(t, seen, 15)
}

// TestRangeAdviceIsNotUndone: whoever follows what is advised about the reals of an input, from any
// start, comes to data that are taken, and no piece of advice takes back one before it.
func TestRangeAdviceIsNotUndone(t *testing.T) {
	const n = 400
	type state struct {
		low, high float32 // declared
		data      string  // what the array has: "bytes", or the span of its reals
	}
	spans := map[string][2]float32{"[0,1]": {0, 1}, "[-1,1]": {-1, 1}, "[0,255]": {0, 255}}
	converts := map[string][2]string{
		"divide the data by 255": {"[0,255]", "[0,1]"}, "take the data as x / 127.5 - 1": {"[0,255]", "[-1,1]"}, "multiply the data by 255": {"[0,1]", "[0,255]"},
		"take the data as x * 2 - 1": {"[0,1]", "[-1,1]"}, "take the data as (x + 1) / 2": {"[-1,1]", "[0,1]"}, "take the data as (x + 1) * 127.5": {"[-1,1]", "[0,255]"},
	}
	advised := 0
	for trained, own := range spans {
		for declared, r := range spans {
			for _, given := range []string{"bytes", "[0,1]", "[-1,1]", "[0,255]"} {
				dir := t.TempDir()
				file := func(name string) string { return filepath.Join(dir, name) }
				// Two pixels, whose difference says the class, and a third one that must be in the middle.
				weight, bias := 24/(own[1]-own[0]), -12*(own[0]+own[1])/(own[1]-own[0])
				f, err := os.Create(file("w.safetensors"))
				require.NoError(t, err)
				require.NoError(t, weights.WriteSafetensors(f, []weights.Tensor{
					filled("fc.weight", weights.F32, func(i int) float32 { return []float32{-weight, 0, weight, 0, 0, 2 * weight}[i] }, 3, 2),
					filled("fc.bias", weights.F32, func(i int) float32 { return []float32{-bias, bias, 2*bias - 36}[i] }, 3)}))
				require.NoError(t, f.Close())
				at := state{r[0], r[1], given}
				var path []string
				met := map[state]bool{}
				for isDone := false; !isDone; {
					name := fmt.Sprintf("trained on %s, declared %s, data %s: %s", trained, declared, given, strings.Join(path, " -> "))
					require.False(t, met[at], "%s: advice goes round", name)
					met[at] = true
					require.NoError(t, os.WriteFile(file("n.dnn"), []byte(fmt.Sprintf("tensors \"w.safetensors\"\nnetwork n(x: f32[2] in [%g,%g] features) -> f32[3] classes {\n  fc = linear(x, units: 3)\n  return fc\n}\n", at.low, at.high)), 0o644))
					d, span := weights.F32, spans[at.data]
					if at.data == "bytes" {
						d, span = weights.U8, spans["[0,255]"]
					}
					level := func(i int) float32 { return float32((i/2*89 + i%2*97*(i/2)) % 256) }
					x := filled("x", d, func(i int) float32 { return span[0] + level(i)/255*(span[1]-span[0]) }, n, 2)
					y := filled("y", weights.U8, func(i int) float32 {
						switch {
						case level(2*i+1) > 2*level(2*i)-255 && level(2*i+1) > 240:
							return 2
						case level(2*i) > 127:
							return 1
						}
						return 0
					}, n)
					require.NoError(t, os.WriteFile(file("a.npz"), []byte(npzOf(t, x, y)), 0o644))
					code, _, stderr := dnnctest.Run(t, "eval", file("n.dnn"), "-data", file("a.npz"), "-calib", file("a.npz"), "-errors", "none", "-Wno-seen-images")
					if code == 0 {
						isDone = true
						continue
					}
					_, help, ok := strings.Cut(stderr, "help: ")
					require.True(t, ok, "%s: %s", name, stderr)
					// Of a refusal one part is for networks that were trained on such values.
					if fits, other, isChoice := strings.Cut(help, "; if it was trained on such values, "); isChoice {
						if help = fits; trained == at.data {
							help = other
						}
					}
					before := at
					if m := regexp.MustCompile(`-range x=(-?[0-9.]+),(-?[0-9.]+)`).FindStringSubmatch(help); m != nil {
						_, err := fmt.Sscan(m[1], &at.low)
						require.NoError(t, err)
						_, err = fmt.Sscan(m[2], &at.high)
						require.NoError(t, err)
					}
					for text, c := range converts {
						if strings.Contains(help, text) {
							require.Equal(t, c[0], at.data, "%s: %s", name, help)
							at.data = c[1]
						}
					}
					require.NotEqual(t, before, at, "%s: %s", name, stderr)
					path = append(path, strings.TrimSpace(help))
					advised++
					require.LessOrEqual(t, len(path), 2, name)
				}
			}
		}
	}
	assert.Greater(t, advised, 15)
}
