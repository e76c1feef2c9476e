package driver

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Scores are how the float network and the quantized one do on the images to
// report on; nil for one that there is not.
type Scores struct {
	Task             measure.Task
	Data, Labels     string // the file's name, "" for synthesised images; see Labels
	Files            []certificate.Input
	Float, Quantized *measure.Score
	Images           data.Batch // that they were measured on
}

// Labels says whose answers are right: "given" with the images, or else those of
// the first network.
func Labels(s measure.Setup, names []string) string {
	if s.Task.IsLabelled(s.Images) {
		return certificate.GivenLabels
	}
	return names[0]
}

// Caution is the first line of what was measured on less than labelled images. Unlabelled are
// the results without labels, where others have some.
func Caution(data, labels string, unlabelled ...string) string {
	switch {
	case data == "":
		return fmt.Sprintf("NO DATA: images of noise from the declared range; the %s network's answers are the labels\n", labels)
	case len(unlabelled) > 0:
		return fmt.Sprintf("NO LABELS of %s: the %s network's own answers are the labels\n", strings.Join(unlabelled, ", "), labels)
	case labels != certificate.GivenLabels:
		return fmt.Sprintf("NO LABELS: the %s network's own answers are the labels\n", labels)
	}
	return ""
}

// Setup loads the images to report on, or synthesises them where there are
// none: then source is "". The network's task must be clear.
func Setup(ctx context.Context, o Options, r *Result) (s measure.Setup, source string, files []certificate.Input, err error) {
	if err := r.Judge(ctx, o, io.Discard); err != nil {
		return s, "", nil, err
	}
	s = measure.Setup{Task: r.Task, Alone: r.Float == nil, Conditions: r.Env.Errors, Seed: o.Seed, First: pass.TestAt, Gradient: r.Env.Gradient}
	path := TestData(o, r.Module)
	if path == "" {
		n := o.TestImages
		if n == 0 {
			n = synthesized
		}
		s.Images = Noise(r.Inputs, n, o.Seed+1)
		return s, "", nil, nil
	}
	if s.Images, files, err = r.testImages(o); err == nil {
		err = r.warnOfSeen(s.Images, files)
	}
	return s, filepath.Base(path), files, err
}

// warnOfSeen warns of images to report on that calibrated the network, or that its search
// saw: those of equal files, and equal ones in other files.
func (r *Result) warnOfSeen(images data.Batch, files []certificate.Input) error {
	const right, help = "the network is right on what it was made on", "give -data other images"
	switch {
	case len(r.files) == 0 || slices.ContainsFunc(r.Warnings, func(w *diag.Warning) bool { return w.Name == diag.SeenImages }):
		return nil
	case slices.Equal(r.testArray, r.arrays) && slices.ContainsFunc(files, func(f certificate.Input) bool { return slices.Contains(r.files, f) }):
		r.Warn(diag.Warn(diag.SeenImages, "the images to report on are those that calibrated: %s", right).WithHelp(help))
		return nil
	}
	var seen []data.Batch
	for _, load := range []func() (data.Batch, error){r.Env.Calibration, r.Env.Holdout, r.Env.Unseen} {
		b, err := load()
		if err != nil {
			return err
		}
		seen = append(seen, b)
	}
	if n := images.Among(seen...); n > 0 {
		r.Warn(diag.Warn(diag.SeenImages, "%d of the %d images to report on are among those that the build saw: %s", n, images.N, right).WithHelp(help))
	}
	return nil
}

// Measure runs the networks of a result on the images to report on, clean and
// under every condition of -errors, the same disturbed images for both. When
// ctx ends it returns what was measured until then, and the error.
func Measure(ctx context.Context, o Options, r *Result, messages io.Writer) (*Scores, error) {
	return MeasureWith(ctx, o, r, messages, func(*measure.Setup) {})
}

// MeasureWith is Measure with a change of its setup.
func MeasureWith(ctx context.Context, o Options, r *Result, messages io.Writer, change func(s *measure.Setup)) (*Scores, error) {
	setup, source, files, err := Setup(ctx, o, r)
	if err != nil {
		return nil, err
	}
	networks, names, err := r.Networks()
	if err != nil {
		return nil, err
	}
	bar := newBar(messages)
	defer bar.end()
	setup.Progress = func(done, total int) { bar.show("measuring under errors", done, total) }
	if r.Float != nil { // whose gradient guides errors: the same module, the same bits
		setup.Gradient, setup.Shared = dnnc.Gradient(r.Float, func() measure.Task { return r.Task }, ""), true
	}
	change(&setup)
	scores, err := measure.Robust(ctx, setup, networks...)
	if err != nil && (len(scores) == 0 || len(scores[0].Kinds) == 0) {
		return nil, err
	}
	s := &Scores{Task: r.Task, Data: source, Labels: Labels(setup, names), Files: files, Images: setup.Images}
	if r.Float != nil {
		s.Float, scores = scores[0], scores[1:]
		items := fmt.Sprintf("%d items of noise", s.Float.Images)
		if source != "" {
			items = fmt.Sprintf("%d items of %s", s.Float.Images, source)
		}
		r.WarnOfConstant(s.Float.BelowConstant(), items)
	}
	if len(scores) > 0 {
		s.Quantized = scores[0]
	}
	return s, err
}

// synthesized is the images of noise that stand in for data.
const synthesized = 512
