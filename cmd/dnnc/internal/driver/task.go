package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Judge finds out by what a network is judged, before anything is searched or measured,
// and says it in one line, the first time. Labels are those of the images that a search
// sees, and of those to report on. A network whose task is not clear is a diagnostic of
// the kind diag.BadTask. Data that can hardly be meant for the network are warned of, or
// refused: see Examine.
func (r *Result) Judge(ctx context.Context, o Options, out io.Writer) error {
	if r.Task.Name != "" {
		return nil
	}
	before := r.saysTo
	r.saysTo = nil
	defer func() { r.saysTo = before }()
	told := len(r.said)
	sources, err := r.labelSources(o)
	if err != nil {
		return err
	}
	task, line, err := Judged(r.source, o, sources)
	if path := TestData(o, r.source); isUnclear(err) && path != "" && len(sources) == 1 && sources[0].Use == searched {
		b, _, readErr := r.testImages(o) // which may have the labels
		if readErr != nil {
			return readErr
		}
		task, line, err = Judged(r.source, o, append(sources, LabelSource{"tell the task", path, b}))
	}
	if err != nil {
		return err
	}
	r.build.Judge(task)
	if _, err = fmt.Fprintln(out, strings.Join(append([]string{line}, r.said[told:]...), "\n")); err != nil || o.Judged {
		return err
	}
	return r.examine(ctx, o, task, sources)
}

// Judge finds out and says the task of a network that is compiled several times, or
// perhaps not at all.
func Judge(ctx context.Context, o Options, out, messages io.Writer) (measure.Task, error) {
	m, err := Load(o)
	if err != nil {
		return measure.Task{}, err
	}
	if err := HasWidths(m); err != nil {
		return measure.Task{}, err
	}
	c, err := o.config()
	if err != nil {
		return measure.Task{}, err
	}
	r, err := begin(o, m, c, messages)
	if err != nil {
		return measure.Task{}, err
	}
	err = r.Judge(ctx, o, out)
	return r.Task, err
}

// HasWidths refuses a network without layers, among whose networks there is no choice.
func HasWidths(m *ir.Module) error {
	if len(m.Layers()) > 0 {
		return nil
	}
	return diag.New(m.Pos, diag.BadValue, "the network has no layer with weights: there are no widths to choose, and one size").
		WithHelp("dnnc build compiles it; dnnc eval measures it")
}

// What a network is judged on images for.
const (
	searched   = "search"
	reported   = "report"
	calibrates = "ranges"
)

// LabelSource is images that a network is judged on.
type LabelSource struct {
	Use, Data string     // Data is the file's name; "" of noise
	Images    data.Batch // with their labels
}

// Judged is the task of a network as it was read, and the line that says it, its measure,
// where labels come from, what the inputs hold, and the errors where they are the default.
func Judged(m *ir.Module, o Options, sources []LabelSource) (measure.Task, string, error) {
	if err := ir.Infer(m).Err(); err != nil {
		return measure.Task{}, "", err
	}
	// at gives a diagnostic of a kind a file, unless it has a place: a model has no lines.
	at := func(err error, kind diag.Kind, file string) error {
		var d *diag.Diagnostic
		if errors.As(err, &d) && d.Kind == kind && d.Pos == (diag.Pos{}) {
			d.Pos.File = file
		}
		return err
	}
	var labels []int
	labelled := ""
	for _, s := range sources {
		if labels == nil {
			labels, labelled = s.Images.Labels, filepath.Base(s.Data)
		}
	}
	task, err := measure.TaskOf(m, o.Task, labels)
	if err != nil {
		for _, s := range sources {
			err = measure.ByLabels(err, m, s.Images)
		}
		return task, "", at(at(err, diag.BadTask, o.Input), diag.BadData, labelled)
	}
	own := dnnc.Float
	if m.IsQuantized() {
		own = dnnc.Quantized
	}
	from := make([][]string, len(task.Results)) // the labels of each result, by source
	isLabelled := make([]bool, len(task.Results))
	by := make([][]string, len(task.Results)) // the measure of each result, by source
	for _, s := range sources {
		if err := task.Check(s.Images); err != nil {
			return task, "", at(err, diag.BadData, filepath.Base(s.Data))
		}
		file := "noise"
		if s.Data != "" {
			file = filepath.Base(s.Data)
		}
		gaps := task.Gaps(s.Images)
		areLabelled := task.Labelled(s.Images)
		judged := task.By(areLabelled)
		for k, is := range areLabelled {
			by[k] = append(by[k], judged.Results[k].Measure())
			text := fmt.Sprintf("the %s network's own answers on %s", own, file)
			if is {
				isLabelled[k] = true
				text = file
				if array := task.LabelsFrom(s.Images, k); array != "" && len(task.Results) > 1 {
					text = array + " of " + file
				}
			}
			if gaps[k] != "" {
				text += ", where " + gaps[k]
			}
			if len(sources) > 1 {
				text += " (" + s.Use + ")"
			}
			from[k] = append(from[k], text)
		}
	}
	task = task.By(isLabelled)
	inputs := dnnc.Inputs(m)
	labelTexts, measures := make([]string, len(from)), make([]string, len(from))
	for k, list := range from {
		labelTexts[k], measures[k] = strings.Join(list, ", "), measuresOf(by[k], sources)
	}
	end := ", "
	if len(task.Results) > 1 {
		end = "; "
	}
	line := quote.Line(task.Line(measures, labelTexts)) + end + disturb.Said(inputs)
	if o.Errors == disturb.Default {
		line += ", errors by default: " + disturb.Defaults(inputs[0].Holds.Kind) + inUnits(inputs, sources)
	}
	if conditions, err := disturb.Parse(cmp.Or(o.Errors, disturb.None), inputs); err == nil && task.LabelsStay() {
		if moving := disturb.Moving(conditions); len(moving) > 0 {
			line += fmt.Sprintf(", labels under %s: those of the undisturbed items", strings.Join(moving, ", "))
		}
	}
	return task, line, nil
}

// muchOfSpread is the share of the data's standard deviation from which an error is large beside what the data shows.
const muchOfSpread = .5

// inUnits says what the first default error is in the units of the input, as sizes are shares of the range that the network
// declares, which may be much wider than the data; "" where it says nothing new.
func inUnits(inputs []disturb.Input, sources []LabelSource) string {
	first, err := disturb.Parse(disturb.Default, inputs)
	if err != nil || len(first) == 0 {
		return ""
	}
	in, size := &inputs[0], first[0].Size
	width := float64(in.High) - float64(in.Low)
	text := ""
	if width != 1 {
		text = fmt.Sprintf(", shares of the range %v to %v, of which %v is %.3g", in.Low, in.High, size, size*width)
	}
	for _, s := range sources {
		if d := spread(s.Images); d > 0 && size*width >= muchOfSpread*d {
			return text + fmt.Sprintf(" (%v is %.2g of the standard deviation of the data: -errors names smaller ones, or -range a narrower range)", size, size*width/d)
		}
	}
	return text
}

// spread is the standard deviation of the first input's elements, 0 of no items.
func spread(b data.Batch) float64 {
	const most = 512 // items
	var n, sum, squares float64
	for i := range min(b.N, most) {
		for _, x := range b.Image(i)[:b.Pixels()] {
			n, sum, squares = n+1, sum+float64(x), squares+float64(x)*float64(x)
		}
	}
	if n == 0 {
		return 0
	}
	mean := sum / n
	return math.Sqrt(max(0, squares/n-mean*mean))
}

// measuresOf names the measures that sources judge a result by: one, or each with its use where
// only some of them have labels.
func measuresOf(by []string, sources []LabelSource) string {
	if len(slices.Compact(slices.Clone(by))) == 1 {
		return by[0]
	}
	list := slices.Clone(by)
	for i := range list {
		list[i] += " (" + sources[i].Use + ")"
	}
	return strings.Join(list, ", ")
}

// labelSources are the images that a command judges a network on.
func (r *Result) labelSources(o Options) (list []LabelSource, err error) {
	if r.build.Searches() {
		s := LabelSource{Use: searched, Data: CalibrationData(o, r.source)}
		if s.Data != "" {
			b, err := r.Env.Calibration()
			if err != nil {
				return nil, err
			}
			s.Images = b
		}
		list = append(list, s)
	}
	if path := TestData(o, r.source); len(list) == 0 || o.Reports {
		s := LabelSource{Use: reported, Data: path}
		if path != "" {
			b, _, err := r.testImages(o)
			if err != nil {
				return nil, err
			}
			s.Images = b
		}
		list = append(list, s)
	}
	return list, nil
}

// testImages are the images to report on, read once.
func (r *Result) testImages(o Options) (data.Batch, []certificate.Input, error) {
	if r.test.N == 0 {
		path := TestData(o, r.source)
		d, err := Images(o, path, r.source, dataset.Test, o.TestImages)
		if err != nil {
			return data.Batch{}, nil, err
		}
		if err := r.sameFolders(path, d.Batch.Folders); err != nil {
			return data.Batch{}, nil, err
		}
		r.test, r.testFiles = d.Batch, inputsOf(d.Files)
		r.testArray = d.Arrays
		r.reads(path, r.testFiles)
		r.say(d.Said)
	}
	return r.test, r.testFiles, nil
}

// isUnclear reports that a network cannot be judged.
func isUnclear(err error) bool {
	var d *diag.Diagnostic
	return errors.As(err, &d) && d.Kind == diag.BadTask
}

// notMeasured warns that a network cannot be judged, by the diagnostic that says so. It has
// no position: a certificate has no paths.
func notMeasured(unclear error) *diag.Warning {
	w := diag.Warn(diag.NotMeasured, "nothing was measured on the images of -data: %v", unclear)
	var d *diag.Diagnostic
	if errors.As(unclear, &d) {
		w.Message, w.Help = "nothing was measured on the images of -data: "+d.Message, d.Help
		if d.Note != "" {
			w.Message += "; " + d.Note
		}
	}
	return w
}

// said is where the task's line goes: before a table, or else beside what is written for
// programs.
func (o Options) said(out, messages io.Writer) io.Writer {
	switch {
	case o.Judged:
		return io.Discard
	case o.Table:
		return out
	}
	return messages
}
