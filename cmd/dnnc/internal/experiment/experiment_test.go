package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/internal/markers"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// options are those of the small experiment.
func options(t *testing.T) driver.Options {
	path := filepath.Join("testdata", "small.exp")
	o := driver.Defaults()
	o.Inputs, o.Results, o.Output = []string{path}, filepath.Join(t.TempDir(), "results"), filepath.Join(t.TempDir(), "report.html")
	return o
}

// TestChild is the process that TestKilledRunGoesOn kills.
func TestChild(t *testing.T) {
	results := os.Getenv("DNNC_TEST_RESULTS")
	if results == "" {
		t.Skip("a process of TestKilledRunGoesOn")
	}
	o := options(t)
	o.Results = results
	require.NoError(t, Run(context.Background(), o, io.Discard, io.Discard))
}

// TestKilledRunGoesOn kills a run, interrupts the next one, damages a cell, and finds
// the page of a run that nothing happened to, byte for byte.
func TestKilledRunGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("whole searches")
	}
	whole := options(t)
	require.NoError(t, Run(context.Background(), whole, io.Discard, io.Discard))
	want, err := os.ReadFile(whole.Output)
	require.NoError(t, err)

	o := options(t)
	child := exec.Command(os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), "DNNC_TEST_RESULTS="+o.Results)
	require.NoError(t, child.Start())
	cells := func() []string {
		list, _ := filepath.Glob(filepath.Join(o.Results, "*.json"))
		return list
	}
	for deadline := time.Now().Add(time.Minute); len(cells()) < 4 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, child.Process.Kill())
	assert.Error(t, child.Wait())
	after := len(cells())
	require.GreaterOrEqual(t, after, 4)

	ctx, cancel := context.WithCancel(context.Background())
	stop := &cutter{cancel: cancel, cells: cells, at: after + 5}
	go stop.watch()
	err = Run(ctx, o, io.Discard, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, o.Output)

	list := cells()
	require.NoError(t, os.WriteFile(list[0], []byte("{"), 0o644))
	text, err := os.ReadFile(list[1])
	require.NoError(t, err)
	digit := regexp.MustCompile(`(?s)"answer":.*?[0-9]`).FindIndex(text)
	require.NotNil(t, digit)
	text[digit[1]-1] ^= 1 // another number: noticed by the sum alone
	require.NoError(t, os.WriteFile(list[1], text, 0o644))
	said := &bytes.Buffer{}
	require.NoError(t, Run(context.Background(), o, io.Discard, said))
	assert.Contains(t, said.String(), "cells are kept from before")
	got, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got), "another page")

	// What is known is not measured again; what depends on something else is.
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	assert.NoError(t, Run(cancelled, o, io.Discard, io.Discard))
	o.Quick = true
	assert.ErrorIs(t, Run(cancelled, o, io.Discard, io.Discard), context.Canceled)
	check(t, string(got), whole)
}

// TestStoreServesExperiments: a store keeps what -results keeps and what searches measure, and the page is the same; what one
// experiment has measured another one does not measure again. A damaged store is measured anew.
func TestStoreServesExperiments(t *testing.T) {
	if testing.Short() {
		t.Skip("whole searches")
	}
	page := func(ctx context.Context, o driver.Options) string {
		require.NoError(t, Run(ctx, o, io.Discard, io.Discard))
		text, err := os.ReadFile(o.Output)
		require.NoError(t, err)
		return string(text)
	}
	spec := filepath.Join(t.TempDir(), "few.exp")
	write := func(from, to string) {
		text, err := os.ReadFile(filepath.Join("testdata", "small.exp"))
		require.NoError(t, err)
		root, err := filepath.Abs("../../../..")
		require.NoError(t, err)
		root, err = filepath.Rel(filepath.Dir(spec), root)
		require.NoError(t, err)
		few := strings.NewReplacer("../../../../..", root, from, to, "boundary: gaussian\n", "", "budgets: 0.5, 1.5", "budgets: 1.5", "efforts: 0.3\n", "", "ablation: objectives, ranges\n", "", "ablation-budgets: 1.5\n", "", "planes: 2\n", "", "plane-points: 6\n", "", "boundary-images: 12\n", "").Replace(string(text))
		require.NoError(t, os.WriteFile(spec, []byte(few), 0o644))
	}
	write("seeds: 1, 2\n", "seeds: 1\n")
	o := options(t)
	o.Inputs = []string{spec}
	want := page(context.Background(), o)

	o.Results, o.Sharing.Store = "", filepath.Join(t.TempDir(), "store")
	assert.Equal(t, want, page(context.Background(), o))
	done, cancel := context.WithCancel(context.Background())
	cancel()
	assert.Equal(t, want, page(done, o), "all of it is kept")
	count := func() (n int) {
		require.NoError(t, filepath.WalkDir(o.Sharing.Store, func(string, fs.DirEntry, error) error { n++; return nil }))
		return n
	}
	all := count()
	assert.Greater(t, all, 20, "measurements of searches, too")

	o.Results = filepath.Join(t.TempDir(), "results") // beside a store: the outcomes in a folder
	assert.Equal(t, want, page(context.Background(), o))
	assert.Equal(t, all, count(), "nothing was measured that the store has")

	o.Results = ""
	require.NoError(t, filepath.WalkDir(o.Sharing.Store, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "dnnc-store" {
			err = os.Truncate(path, 20)
		}
		return err
	}))
	assert.Equal(t, want, page(context.Background(), o))
}

// cutter cancels a run once there are so many cells.
type cutter struct {
	cancel func()
	cells  func() []string
	at     int
}

func (c *cutter) watch() {
	for len(c.cells()) < c.at {
		time.Sleep(time.Millisecond)
	}
	c.cancel()
}

// check holds a page to what a page is: nothing outside, every section, and the text
// of the golden.
func check(t *testing.T, html string, o driver.Options) {
	for _, outside := range []string{"src=", "href=\"http", "url(", "@import", "<script", "<link", "xmlns", "xlink"} {
		assert.NotContains(t, html, outside)
	}
	assert.Less(t, len(html), 5<<20)
	for _, m := range regexp.MustCompile(`href="#([a-z0-9]+)"`).FindAllStringSubmatch(html, -1) {
		assert.Contains(t, html, `<section id="`+m[1]+`"`)
	}
	for _, id := range []string{"kept", "sizes", "kinds", "errors1", "widths", "efforts", "boundary", "planes", "layers", "ablation", "reproduce"} {
		assert.Contains(t, html, `<section id="`+id+`"`)
	}
	assert.Equal(t, strings.Count(html, "<svg"), strings.Count(html, "</svg>"))
	assert.NotContains(t, html, "NaN")
	assert.NotContains(t, html, "Inf")

	doc, err := again(o)
	require.NoError(t, err)
	require.Len(t, doc.Opening, 3)
	var text bytes.Buffer
	doc.text(&text)
	said, hashes, _ := strings.Cut(text.String(), "\n== How to get the same\n")
	assert.Contains(t, hashes, "dnnc experiment small.exp")
	golden := filepath.Join("testdata", "small.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(said), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), said)
}

// again is the document of a run whose cells are all there.
func again(o driver.Options) (*document, error) {
	small, err := os.ReadFile(o.Inputs[0])
	if err != nil {
		return nil, err
	}
	x, err := Parse(o.Inputs[0], string(small), false)
	if err != nil {
		return nil, err
	}
	x.locate("", func(string) bool { return true })
	mat, err := load(x)
	if err != nil {
		return nil, err
	}
	s, err := lay(x, mat)
	if err != nil {
		return nil, err
	}
	st, err := openStore(o.Results, nil)
	if err != nil {
		return nil, err
	}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if err := newWork([]*study{s}, st, o, io.Discard).do(stopped); err != nil {
		return nil, err
	}
	return write([]*study{s}, "dnnc experiment small.exp", nil)
}

// TestReport is the page of a user's network without data.
func TestReport(t *testing.T) {
	if testing.Short() {
		t.Skip("whole searches")
	}
	o := driver.Defaults()
	o.Input, o.Output = "../../../../testdata/lenet5-mnist/lenet5-mnist.dnn", filepath.Join(t.TempDir(), "report.html")
	o.Sizes, o.Methods, o.Formats, o.Rounding = []string{"2"}, []string{"universal"}, []string{"odd1", "odd2"}, "nearest"
	o.Errors, o.ErrorsGiven, o.Images, o.TestImages, o.Seeds = "fog-blend=0.3", true, 8, 12, 1
	o.Proved = 3
	o.Task = "classes" // noise has no labels to tell it by
	o.Results = t.TempDir()
	o.Stats = filepath.Join(t.TempDir(), "stats.json")
	var stdout bytes.Buffer
	require.NoError(t, Report(context.Background(), o, &stdout, io.Discard))
	page, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	assert.Contains(t, string(page), "NO DATA: images of noise")
	assert.Contains(t, string(page), "dnnc report lenet5-mnist.dnn -task classes -sizes 2 -methods universal -errors fog-blend=0.3 -images 8 -n 12 -proved 3 -formats odd1,odd2 -rounding nearest.")
	assert.Regexp(t, `(?s)id="proved".*3 images.*<td>fog-blend</td>\s*<td>0.3</td>\s*<td>[01]\.\d{4}</td>\s*<td>[01]\.\d{4}</td>`, string(page))
	assert.Contains(t, string(page), "Proved for these images under this error model; says nothing of other images.")
	assert.NotContains(t, string(page), `id="efforts"`, "Q* was not asked for")
	explores(t, string(page))
	// Samples are disturbed as they were measured: each answer is right where its part is 1.
	samples := cellsOf[sampled](t, o.Results, "samples")[0]
	require.Len(t, samples.Shown, 12)
	lost := 0
	for i, s := range samples.Shown {
		assert.Equal(t, s.FloatPart == 1, s.Float == s.Label, "%+v", s)
		assert.Equal(t, s.QuantizedPart == 1, s.Quantized == s.Label, "%+v", s)
		if s.QuantizedPart < s.FloatPart {
			assert.Equal(t, i, lost, "failures first")
			lost++
		}
	}
	assert.Positive(t, lost)
	assert.Equal(t, lost, strings.Count(string(page), `<li class="lost">`))
	// What a build takes is what a search counts.
	var sizes, takes []int
	for _, c := range cellsOf[chosen](t, o.Results, "choice") {
		sizes = append(sizes, c.Size)
	}
	for _, b := range cellsOf[built](t, o.Results, "build") {
		takes = append(takes, b.Weights+b.Others)
		assert.Positive(t, b.Arena)
		assert.Contains(t, string(page), fmt.Sprintf("<td>%d</td>", b.Arena))
	}
	require.Len(t, takes, 2)
	assert.ElementsMatch(t, sizes, takes)
	assert.Contains(t, string(page), "what another seed would change is not known")
	assert.FileExists(t, o.Stats)
	assert.Contains(t, stdout.String(), "Compared: universal, each given the same bytes (2 bits a weight)")
	assert.Contains(t, stdout.String(), "clean and under 1 kind of error at 1 size, 1 seed.")
	assert.Regexp(t, `\nUniversal keeps \d\.\d{4} ± \d\.\d{4} of the float network's robust accuracy`, stdout.String())

	o = driver.Defaults()
	o.Input = "../../../../testdata/lenet5/lenet5.dnn"
	for want, spoil := range map[string]func(o *driver.Options){
		"budget: -sizes two":             func(o *driver.Options) { o.Sizes = []string{"two"} },
		`-methods: "qde" is none of`:     func(o *driver.Options) { o.Methods = []string{"qde"} },
		"-methods: qed stands twice":     func(o *driver.Options) { o.Methods = []string{"qed", "qed"} },
		"data: open missing":             func(o *driver.Options) { o.Data = "missing" },
		"are among those":                func(o *driver.Options) { o.Calib, o.Data = lenetTest, lenetTest },
		"-n 1: at least 2":               func(o *driver.Options) { o.TestImages = 1 },
		"-images -5: at least 1":         func(o *driver.Options) { o.Images = -5 },
		"-seeds -1: at least 1":          func(o *driver.Options) { o.Seeds = -1 },
		"small.exp: file: an experiment": func(o *driver.Options) { o.Input = "small.exp" },
	} {
		bad := o
		spoil(&bad)
		err := Report(context.Background(), bad, io.Discard, io.Discard)
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, want)
		assert.ErrorContains(t, err, want)
	}
}

// explores holds the part of a page in which a reader chooses a network to what it shows without
// its script, and the script to the page: nothing comes from outside.
func explores(t *testing.T, page string) {
	t.Helper()
	pictures := regexp.MustCompile(`data:image/png;base64,[A-Za-z0-9+/&#;=]*`)
	said, script, _ := strings.Cut(pictures.ReplaceAllString(page, ""), "<script>\n")
	for _, outside := range []string{"href=\"http", "url(", "@import", "<link", "NaN", "Inf"} {
		assert.False(t, strings.Contains(said, outside), outside)
	}
	for _, outside := range []string{"innerHTML", "fetch(", "http"} {
		assert.False(t, strings.Contains(script, outside), outside)
	}
	assert.Equal(t, strings.Count(page, " src="), strings.Count(page, ` src="data:image/png;base64,`))
	assert.Less(t, len(page), 5<<20)
	assert.True(t, strings.Contains(page, `<section id="explore1">`))
	assert.True(t, strings.Contains(page, `type="range" id="size1"`))
	assert.True(t, strings.Contains(page, "8 bits everywhere"))
	_, text, _ := strings.Cut(page, `<script type="application/json">`)
	text, _, _ = strings.Cut(text, "</script>")
	var points []struct {
		Title   string
		Figures [][2]string
		Kinds   [][2]string
	}
	require.NoError(t, json.Unmarshal([]byte(text), &points), text)
	for _, p := range points {
		assert.True(t, strings.Contains(page, `<th scope="row">`+p.Title+"</th>"), p.Title)
		for _, f := range slices.Concat(p.Figures, p.Kinds) {
			for _, number := range regexp.MustCompile(`\d+\.\d{4}`).FindAllString(f[1], -1) {
				assert.GreaterOrEqual(t, strings.Count(page, number), 2, "%s: in the table, too", f)
			}
		}
	}
	assert.Equal(t, len(points), strings.Count(page, "<g><line ")+strings.Count(page, "<g></g>"))
}

// cellsOf are the answers of a kind in a folder of results.
func cellsOf[T any](t *testing.T, folder, kind string) (list []T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, kind+"-*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var c struct{ Answer T }
		require.NoError(t, json.Unmarshal(text, &c))
		list = append(list, c.Answer)
	}
	return list
}

// TestReportOfValues: networks whose answers are no classes have samples and a choice, too.
func TestReportOfValues(t *testing.T) {
	if testing.Short() {
		t.Skip("whole searches")
	}
	o := driver.Defaults()
	o.Input, o.Output = "../../../../testdata/tasks/regr.onnx", filepath.Join(t.TempDir(), "report.html")
	o.Sizes, o.Methods, o.Formats, o.Rounding, o.Task = []string{"2"}, []string{"universal"}, []string{"odd1", "odd2"}, "nearest", "values"
	o.Errors, o.ErrorsGiven, o.Images, o.TestImages, o.Results = "gaussian=0.3", true, 4, 8, t.TempDir()
	require.NoError(t, Report(context.Background(), o, io.Discard, io.Discard))
	page, err := os.ReadFile(o.Output)
	require.NoError(t, err)
	explores(t, string(page))
	shown := cellsOf[sampled](t, o.Results, "samples")[0].Shown
	require.Len(t, shown, 8)
	assert.NotEqual(t, shown[0].Float, shown[0].Quantized)
	assert.Greater(t, shown[0].FloatPart-shown[0].QuantizedPart, shown[7].FloatPart-shown[7].QuantizedPart)
}

func TestReportCommand(t *testing.T) {
	o := driver.Defaults()
	o.Input = "a/n.dnn"
	assert.Equal(t, "dnnc report n.dnn", reportCommand(o))
	o.Data, o.Target, o.Errors, o.ErrorsGiven, o.Seed, o.Seeds, o.MinBits, o.Activations = "b/test.gz", "rv32imc", "fog=0.1;rain", true, 7, 2, .5, "percentile,auto"
	assert.Equal(t, "dnnc report n.dnn -data test.gz -target rv32imc -errors 'fog=0.1;rain' -seed 7 -seeds 2 -min 0.5 -activations percentile,auto", reportCommand(o))
	o = driver.Defaults()
	o.Input, o.Exact, o.Shapes = "n.onnx", "false", map[string][]int{"x": {1, 2, 64}}
	o.Ranges, o.Contents = map[string]ir.Range{"x": {Lo: -1, Hi: 1}}, map[string]ir.Content{"": {Kind: ir.Signal, Axis: 1}}
	o.Outputs, o.Sets = []string{"a", "b c"}, dataset.Options{Labels: []string{"y1", "y2"}, Resize: true}
	assert.Equal(t, "dnnc report n.onnx -labels y1,y2 -resize -shape x=1,2,64 -range x=-1,1 -kind 'signal axis: 1' -outputs 'a,b c' -exact=false", reportCommand(o))
}

// TestOpeningOfLittle is what the sentences say where there is little to say.
func TestOpeningOfLittle(t *testing.T) {
	of := func(right ...bool) *measure.Score {
		return &measure.Score{Images: len(right), Kinds: []measure.Kind{{Name: measure.Clean, Sizes: []float64{0}, Right: [][]bool{right}}}}
	}
	float := of(true, true, false, true)
	study := func(trials ...*entrant) []*analysis {
		x := defaults()
		x.Name, x.Methods, x.Measured = "n", []string{"qed", "universal"}, "none"
		s := &study{x: &x, mat: &material{images: data.Batch{N: 4}}, trials: [][]*entrant{trials}}
		return []*analysis{{study: s, sampler: newSampler(4, 1), ref: [][]float64{float.Shares()}}}
	}
	gone := &entrant{method: "qed", bits: 1, chosen: &chosen{None: true}}
	qed := &entrant{method: "qed", bits: 1, chosen: &chosen{}, result: float}
	other := &entrant{method: "universal", bits: 1, chosen: &chosen{}, result: of(true, false, false, true)}

	assert.Contains(t, won(study(gone, other)), "Qed has no network as small as the sizes")
	assert.Contains(t, won(study(qed, &entrant{method: "universal", bits: 1, chosen: &chosen{None: true}})), "Qed keeps 1.0000 ± 0.0000 of the float network's robust accuracy in")
	assert.Contains(t, won(study(qed, other)), "as much as universal (+0.3333 ±")
	assert.Equal(t, "nothing was compared in effort or decision boundaries.", spent(study(qed, other)))
	said, err := compared(study(qed, other))
	require.NoError(t, err)
	assert.Equal(t, "Compared: Qed and universal, each given the same bytes (1 bit a weight) on n, measured on the same 4 test images, clean, 1 seed.", said)

	blind := study(qed, other)
	blind[0].ref = [][]float64{{0, 0, 0, 0}}
	assert.Contains(t, won(blind), "A float network answers none of the images rightly")
}

func TestFigures(t *testing.T) {
	assert.Equal(t, figure{Text: "0.5000", Small: "± 0.1000"}, of(Estimate{Value: .5, StdErr: .1}))
	assert.Equal(t, figure{Text: "0.0000", Small: "± 0.0010"}, signed(Estimate{Value: -.00001, StdErr: .001, Low: -.002, High: .002}))
	assert.Equal(t, figure{Text: "-0.1000", Small: "± 0.0100", Strong: true}, signed(Estimate{Value: -.1, StdErr: .01, Low: -.12, High: -.08}))
	assert.Equal(t, figure{Text: "+0.2000", Small: "± unknown"}, signed(ofMean([]float64{.2})), "one plane tells nothing")
	assert.Equal(t, none, of(unknown(math.NaN())))
	for bits, want := range map[float64]string{1: "1 bit", .7: "0.7 bits", 2: "2 bits"} {
		assert.Equal(t, want, width(bits))
	}
	assert.Equal(t, "never", distance(measure.Never))
	assert.Equal(t, "1.000", distance(1))
}

const lenetTest = "../../../../testdata/lenet5/fashion-test-images-idx3-ubyte.gz"

func TestTriples(t *testing.T) {
	b := data.Batch{N: 7, Shape: []int{1}, X: make([]float32, 7), Labels: []int{0, 0, 1, 2, 1, 0, 2}}
	got, ok := triple(b, 1)
	assert.True(t, ok)
	assert.Equal(t, [3]int{1, 4, 6}, got)
	_, ok = triple(b, 2)
	assert.False(t, ok)
}

func TestImagesAreKeptApart(t *testing.T) {
	x := defaults()
	x.Network = "../../../../testdata/lenet5/lenet5.dnn"
	x.Calibration = "../../../../testdata/lenet5/fashion-train-images-idx3-ubyte.gz"
	x.Images, x.TestImages = 50, 30
	_, err := load(&x)
	require.NoError(t, err)
	x.Test = x.Calibration
	_, err = load(&x)
	var d *diag.Diagnostic
	require.ErrorAs(t, err, &d)
	assert.Contains(t, err.Error(), "of the 30 images to report on are among")
	assert.Contains(t, err.Error(), "fashion-train-images-idx3-ubyte.gz and fashion-train-images-idx3-ubyte.gz have them in common")

	one := data.Batch{N: 3, Shape: []int{1, 1, 2}, X: []float32{1, 2, 3, 4, 5, 6}}
	two := data.Batch{N: 2, Shape: []int{1, 1, 2}, X: []float32{7, 8, 3, 4}}
	assert.ErrorContains(t, disjoint(&material{images: two, testName: "t", calibName: "c"}, one), "1 of the 2 images to report on are among those that the searches see\n    note: t and c have them in common")
	two.X[3] = 5
	assert.NoError(t, disjoint(&material{images: two}, one))
}

func TestBadRuns(t *testing.T) {
	ctx := context.Background()
	for name, spoil := range map[string]func(o *driver.Options){
		"both":       func(o *driver.Options) { o.Quick, o.Full = true, true },
		"no file":    func(o *driver.Options) { o.Inputs = []string{"missing.exp"} },
		"twice":      func(o *driver.Options) { o.Inputs = slices.Repeat(o.Inputs, 2) },
		"a network":  func(o *driver.Options) { o.Inputs = []string{"net.dnn"} },
		"no folder":  func(o *driver.Options) { o.Inputs = nil },
		"ending":     func(o *driver.Options) { o.Output = "report.pdf" },
		"no place":   func(o *driver.Options) { o.Output = "missing/report.html" },
		"no results": func(o *driver.Options) { o.Results = os.DevNull },
	} {
		o := options(t)
		spoil(&o)
		var d *diag.Diagnostic
		require.ErrorAs(t, Run(ctx, o, io.Discard, io.Discard), &d, name)
	}
	o := options(t)
	path := filepath.Join(t.TempDir(), "x.exp")
	require.NoError(t, os.WriteFile(path, []byte(least+"calibration: nowhere/train\ntest: nowhere/test\norigin: the moon\n"), 0o644))
	o.Inputs = []string{path}
	err := Run(ctx, o, io.Discard, io.Discard)
	assert.ErrorContains(t, err, "lacks its data")
	assert.ErrorContains(t, err, "no nowhere/train, no nowhere/test")
	assert.ErrorContains(t, err, "get the moon")
}

// TestBootstrap compares with the formulas of large samples.
func TestBootstrap(t *testing.T) {
	const n = 400
	rng := rand.New(rand.NewPCG(1, 2))
	x, ref := [][]float64{make([]float64, n)}, [][]float64{make([]float64, n)}
	for i := range n {
		if rng.Float64() < .9 {
			ref[0][i] = 1
		}
		x[0][i] = ref[0][i]
		if rng.Float64() < .1 {
			x[0][i] = 0
		}
	}
	s := newSampler(n, 1)
	got := s.ratio(x, unit(x))
	p := dot(x[0], unit(x)[0]) / n
	assert.InDelta(t, p, got.Value, 1e-12)
	se := math.Sqrt(p * (1 - p) / n)
	assert.InDelta(t, se, got.StdErr, .08*se)
	assert.InDelta(t, p-1.96*se, got.Low, .35*se)
	assert.InDelta(t, p+1.96*se, got.High, .35*se)

	// The ratio is paired: its error is that of the delta method, as measure has it.
	score := func(v []float64) *measure.Score {
		right := make([]bool, n)
		for i := range v {
			right[i] = v[i] == 1
		}
		return &measure.Score{Images: n, Kinds: []measure.Kind{{Name: "k", Sizes: []float64{0}, Right: [][]bool{right}}}}
	}
	want := score(x[0]).Retention(score(ref[0]))
	kept := s.ratio(x, ref)
	assert.InDelta(t, want.Value, kept.Value, 1e-12)
	assert.InDelta(t, want.StdErr, kept.StdErr, .08*want.StdErr)
	assert.Less(t, kept.StdErr, got.StdErr)

	// Equal networks differ by nothing, and seeds add their part.
	none := s.ratio(minus(x, x), ref)
	assert.True(t, none.isNone())
	assert.False(t, none.isTold(0))
	assert.False(t, kept.isNone())
	two := newSampler(n, 2)
	apart := two.ratio([][]float64{slices.Repeat([]float64{1}, n), slices.Repeat([]float64{.5}, n)}, slices.Repeat(unit(x), 2))
	assert.InDelta(t, .75, apart.Value, 1e-12)
	assert.InDelta(t, .25/math.Sqrt2, apart.StdErr, .01) // two seeds, drawn with replacement
	m := mean([]Estimate{{Value: 1, StdErr: 3}, {Value: 3, StdErr: 4}})
	assert.InDelta(t, 2, m.Value, 1e-12)
	assert.InDelta(t, 2.5, m.StdErr, 1e-12)
	few := ofMean([]float64{1, 2, 3})
	assert.InDelta(t, 1/math.Sqrt(3), few.StdErr, 1e-12)
	assert.InDelta(t, 2-4.3027/math.Sqrt(3), few.Low, 1e-4) // a table of Student's t, two degrees of freedom
	assert.InDelta(t, 2+4.3027/math.Sqrt(3), few.High, 1e-4)

	// Two networks that are wrong on the same images are no two samples.
	assert.InDelta(t, got.StdErr, mean([]Estimate{got, got}).StdErr, 1e-12)
	rng.Shuffle(n, func(i, j int) { x[0][i], x[0][j] = x[0][j], x[0][i] })
	assert.InDelta(t, se/math.Sqrt2, mean([]Estimate{got, s.ratio(x, unit(x))}).StdErr, .15*se)
}

func TestStoreTakesNoOthersAnswer(t *testing.T) {
	st, err := openStore(t.TempDir(), nil)
	require.NoError(t, err)
	c, err := newCell("plane", &plane{Points: 3}, &planed{Points: 3, Answers: []string{"x"}})
	require.NoError(t, err)
	require.NoError(t, st.write(c))
	same, err := newCell("plane", &plane{Points: 3}, &planed{})
	require.NoError(t, err)
	require.True(t, st.read(same))
	assert.Equal(t, c.answer, same.answer)
	past := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, os.Chtimes(st.path("plane", c.key), past, past))
	later, err := openStore(st.folder, nil)
	require.NoError(t, err)
	require.True(t, later.read(same))
	assert.True(t, past.Equal(later.newest), "the day of the study, not of its report")
	other, err := newCell("plane", &plane{Points: 4}, &planed{})
	require.NoError(t, err)
	require.NoError(t, os.Rename(st.path("plane", c.key), st.path("plane", other.key)))
	assert.False(t, st.read(other), "a renamed file")
}

func TestBits(t *testing.T) {
	x := []bool{true, false, false, true, true, false, true, false, true}
	got, err := unpackBits(packBits(x), len(x))
	require.NoError(t, err)
	assert.Equal(t, x, got)
	_, err = unpackBits(packBits(x), 20)
	assert.Error(t, err)
}

// TestResultsHavePlaceForTheSummary: make experiments writes RESULTS.md.
func TestResultsHavePlaceForTheSummary(t *testing.T) {
	text, err := os.ReadFile("../../../../RESULTS.md")
	require.NoError(t, err)
	_, err = markers.Replace(text, begin, end, "")
	assert.NoError(t, err)
}

func TestReadme(t *testing.T) {
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	d := &document{Opening: []string{"Q* one.", "Two.", "Three."}, Warnings: []string{"Left out: it."}, Origin: "`dnnc experiment`", Day: "2026-02-03", Summary: table{Head: []string{"a", "b|c"}, Rows: [][]figure{{{Text: "x"}, {Text: "1", Small: "[0, 2]"}}, {{Text: end + "\n|<b>"}}}}}
	require.NoError(t, os.WriteFile(path, []byte("head\n"+begin+"\nstale\n"+end+"\ntail\n"), 0o644))
	require.NoError(t, refresh(path, d))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(text), "| a | b\\|c |\n| --- | --- |\n| x | 1 [0, 2] |")
	assert.Contains(t, string(text), `| \<!-- end of experiments -->\x0a\|\<b> |`, "a name is no markup")
	assert.Contains(t, string(text), "`dnnc experiment`, 2026-02-03; ")
	assert.Contains(t, string(text), `Q\* one.`)
	assert.Contains(t, string(text), "Three.\nLeft out: it.\n", "a summary of a part does not pass for the whole")
	assert.Contains(t, string(text), "head\n"+begin)
	assert.Contains(t, string(text), end+"\ntail\n")
	assert.NotContains(t, string(text), "stale")
	require.NoError(t, os.WriteFile(path, []byte("nothing"), 0o644))
	var diagnostic *diag.Diagnostic
	assert.True(t, errors.As(refresh(path, d), &diagnostic))
}
