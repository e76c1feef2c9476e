// Package metric judges a network by a program of the user's: flag -metric.
//
// The program is called once for each network and condition, with the paths of two npz
// files after its own arguments. The first has an array for each result of the network,
// by its name: the answers to n items, reals [n,...]. The second has what they are held
// to: labels, where the data have some (an array named like each result that has them, and
// the same as labels where there is one result), and float.NAME, the float network's answers to the same items. The program prints one
// number, the greater the better, and ends with 0. Its standard input is empty. Processes
// that it started and did not wait for are ended after it, also in sessions of their own; on
// Linux they are known by the variable DNNC_METRIC of their environment.
package metric

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Row is what the program says of the networks under one condition.
type Row struct {
	Kind      string   `json:"kind"`
	Size      float64  `json:"size"`
	Float     *float64 `json:"float,omitempty"`
	Quantized *float64 `json:"quantized,omitempty"`
	Constant  *float64 `json:"constant,omitempty"` // of the float network's mean answer to every item
}

// Outcome is what the program says under all conditions, and the means of the kinds.
type Outcome struct {
	Program string `json:"program"` // without its folder
	Rows    []Row  `json:"conditions"`
	Mean    Row    `json:"mean"`
	// Kept is the share of what the float network is above the constant answer; nil where
	// it is not above.
	Kept *float64 `json:"kept"`
}

// Run collects answers while networks are measured, and calls the program.
type Run struct {
	Words []string      // the program and its arguments
	Limit time.Duration // of one call

	ctx     context.Context
	names   []string // of the networks
	task    measure.Task
	images  data.Batch
	at      disturb.Condition
	answers [][]float32 // of each network under this condition
	out     Outcome
}

// Attach has the program judge what is measured with a setup; names are those of the
// networks, measure's constants or others.
func (r *Run) Attach(ctx context.Context, setup *measure.Setup, hasFloat bool) {
	r.ctx, r.task, r.images = ctx, setup.Task, setup.Images
	r.names = []string{"quantized"}
	if hasFloat {
		r.names = []string{"float", "quantized"}
	}
	r.answers = make([][]float32, len(r.names))
	r.out.Program = filepath.Base(r.Words[0])
	setup.Watch = r.watch
}

// watch takes in the answers to some items, and calls the program when it has all of a
// condition.
func (r *Run) watch(c disturb.Condition, network int, answers []float32) error {
	r.at = c
	r.answers[network] = append(r.answers[network], answers...)
	if last := len(r.names) - 1; network != last || len(r.answers[last]) < r.images.N*r.task.Size() {
		return nil
	}
	defer func() { r.answers = make([][]float32, len(r.names)) }()
	return r.condition()
}

// condition calls the program for each network, and for the constant answer.
func (r *Run) condition() error {
	row := Row{Kind: measure.Clean}
	if r.at.Kind != nil {
		row.Kind, row.Size = r.at.Name(), r.at.Size
	}
	var float []float32
	if len(r.names) == 2 {
		float = r.answers[0]
	}
	reference := r.reference(float)
	call := func(answers []float32) (*float64, error) {
		x, err := r.call(r.arrays("", answers), reference)
		return &x, err
	}
	var err error
	if row.Quantized, err = call(r.answers[len(r.answers)-1]); err != nil {
		return err
	}
	if float != nil {
		if row.Float, err = call(float); err != nil {
			return err
		}
		if row.Constant, err = call(r.constant(float)); err != nil {
			return err
		}
	}
	r.out.Rows = append(r.out.Rows, row)
	return nil
}

// constant is the mean answer, to every item.
func (r *Run) constant(answers []float32) []float32 {
	size, n := r.task.Size(), r.images.N
	mean := make([]float64, size)
	for i, v := range answers {
		mean[i%size] += float64(v) / float64(n)
	}
	out := make([]float32, 0, n*size)
	for range n {
		for _, v := range mean {
			out = append(out, float32(v))
		}
	}
	return out
}

// arrays are answers, an array a result.
func (r *Run) arrays(prefix string, answers []float32) (list []weights.Tensor) {
	size, from := r.task.Size(), 0
	for _, result := range r.task.Results {
		own := result.Shape.Size()
		x := make([]float32, 0, r.images.N*own)
		for i := range r.images.N {
			x = append(x, answers[i*size+from:i*size+from+own]...)
		}
		list = append(list, array(prefix+result.Name, append(ir.Shape{r.images.N}, result.Shape...), x))
		from += own
	}
	return list
}

func array(name string, shape ir.Shape, x []float32) weights.Tensor {
	raw, _ := ir.FloatConst(name, shape, x).Load()
	return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
}

// reference is what answers are held to.
func (r *Run) reference(float []float32) (list []weights.Tensor) {
	targets := r.images.Targets
	if len(targets) == 0 && r.images.Labels != nil {
		x := make([]float32, r.images.N)
		for i, l := range r.images.Labels {
			x[i] = float32(l)
		}
		targets = []data.Target{{X: x}}
	}
	add := func(name string, t data.Target) {
		list = append(list, array(name, append(ir.Shape{r.images.N}, t.Shape...), t.X))
	}
	switch only := r.task.Results[0].Name; {
	case len(r.task.Results) > 1:
		for _, t := range targets {
			add(t.Name, t)
		}
	case len(targets) > 0: // whatever the data call them
		add("labels", targets[0])
		if only != "labels" {
			add(only, targets[0])
		}
	}
	if float != nil {
		list = append(list, r.arrays("float.", float)...)
	}
	return list
}

// mostOutput is the bytes of its output that are read of a program.
const mostOutput = 4096

// limited keeps the first bytes of what is written. The buffer has a name: its other methods,
// which know no bound, are none of limited's, as io.Copy would call ReadFrom.
type limited struct {
	kept   bytes.Buffer
	isOver bool
	over   func() // is called where there is more; may be nil
}

// Write takes everything, and keeps what there is room for.
func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), mostOutput-l.kept.Len())
	l.kept.Write(p[:n])
	if n < len(p) && !l.isOver {
		l.isOver = true
		if l.over != nil {
			l.over()
		}
	}
	return len(p), nil
}

// call runs the program on two files, and reads its number.
func (r *Run) call(answers, reference []weights.Tensor) (float64, error) {
	dir, err := os.MkdirTemp("", "dnnc-metric-")
	if err != nil {
		return 0, diag.New(diag.Pos{}, diag.BadOutput, "-metric: %v", err)
	}
	defer os.RemoveAll(dir)
	words := append([]string(nil), r.Words...)
	for _, f := range []struct {
		name string
		list []weights.Tensor
	}{{"answers.npz", answers}, {"labels.npz", reference}} {
		path := filepath.Join(dir, f.name)
		if err := write(path, f.list); err != nil {
			return 0, diag.New(diag.Pos{}, diag.BadOutput, "-metric: %v", err)
		}
		words = append(words, path)
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.Limit)
	defer cancel()
	stdout, stderr := limited{over: cancel}, limited{}
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Stdout, c.Stderr, c.WaitDelay = &stdout, &stderr, time.Second
	mark := "DNNC_METRIC=" + dir // of every process that it starts
	c.Env = append(os.Environ(), mark)
	apart(c)
	err = c.Run()
	endGroup(c, mark)
	fault := func(format string, args ...any) error {
		d := diag.New(diag.Pos{}, diag.BadValue, "-metric %s: %s", quote.Line(r.out.Program), fmt.Sprintf(format, args...)).
			WithHelp("the program gets answers.npz and labels.npz, and prints one number")
		if text := strings.TrimSpace(stderr.kept.String()); text != "" {
			lines := strings.Split(text, "\n")
			d.WithNote("its last line of messages: %s", quote.Line(lines[len(lines)-1]))
		}
		return d
	}
	switch {
	case r.ctx.Err() != nil:
		return 0, r.ctx.Err()
	case stdout.isOver:
		return 0, fault("it printed more than %d bytes, not one number", mostOutput)
	case err != nil && c.ProcessState != nil && c.ProcessState.Success():
		return 0, fault("it ended, but a process that it started still holds its output")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return 0, fault("it did not end within %v", r.Limit)
	case err != nil:
		return 0, fault("%v", err)
	}
	text := strings.TrimSpace(stdout.kept.String())
	x, err := decimal.Float(text, 64)
	switch {
	case text == "":
		return 0, fault("it printed nothing")
	case err != nil || math.IsNaN(x) || math.IsInf(x, 0):
		if len(text) > 60 {
			text = text[:60] + "..."
		}
		return 0, fault("it printed %s, not one number", quote.Line(strconv.Quote(text)))
	}
	return x, nil
}

func write(path string, list []weights.Tensor) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(weights.WriteNPZ(f, list), f.Close())
}

// Outcome is what the program said: the means are over the sizes of each kind, then over
// the kinds.
func (r *Run) Outcome() *Outcome {
	o := &r.out
	mean := func(of func(w Row) *float64) *float64 {
		var kinds []string
		sums, counts := map[string]float64{}, map[string]float64{}
		for _, w := range o.Rows {
			x := of(w)
			if x == nil {
				return nil
			}
			if counts[w.Kind] == 0 {
				kinds = append(kinds, w.Kind)
			}
			sums[w.Kind], counts[w.Kind] = sums[w.Kind]+*x, counts[w.Kind]+1
		}
		whole := 0.0
		for _, k := range kinds {
			whole += sums[k] / counts[k]
		}
		whole /= float64(len(kinds))
		return &whole
	}
	if len(o.Rows) == 0 {
		return o
	}
	o.Mean = Row{Kind: "mean", Float: mean(func(w Row) *float64 { return w.Float }), Quantized: mean(func(w Row) *float64 { return w.Quantized }), Constant: mean(func(w Row) *float64 { return w.Constant })}
	if m := o.Mean; m.Float != nil && *m.Float > *m.Constant {
		kept := (*m.Quantized - *m.Constant) / (*m.Float - *m.Constant)
		o.Kept = &kept
	}
	return o
}
