package driver

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Warnings are what a command warned of, and what the user asked to become of them. The
// copies of a command's options share one. Nil prints every warning.
type Warnings struct {
	AllErrors      bool            // -Werror
	Errors, Silent map[string]bool // -Werror=name, -Wno-name

	mu   sync.Mutex
	said []string // as they were printed
	bad  []string // names of those that are errors
}

// Say prints a warning, once, unless it is silenced: then it is no error either.
func (w *Warnings) Say(messages io.Writer, x *diag.Warning) {
	if w == nil {
		fmt.Fprintln(messages, x)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Silent[x.Name] || slices.Contains(w.said, x.String()) {
		return
	}
	w.said = append(w.said, x.String())
	if (w.AllErrors || w.Errors[x.Name]) && !slices.Contains(w.bad, x.Name) {
		w.bad = append(w.bad, x.Name)
	}
	fmt.Fprintln(messages, x)
}

// Err reports warnings that -Werror makes errors.
func (w *Warnings) Err() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.bad) == 0 {
		return nil
	}
	return diag.New(diag.Pos{}, diag.CheckFailed, "-Werror: warnings that are errors: %s", strings.Join(w.bad, ", ")).
		WithHelp("dnnc help warnings explains them; -Wno-%s silences one", w.bad[0])
}

// SetErrors reads the value of -Werror: true and false are of all warnings, else it is a
// list of names.
func (w *Warnings) SetErrors(list string) error {
	if list == "true" || list == "false" {
		w.AllErrors = list == "true"
		return nil
	}
	for _, name := range strings.Split(list, ",") {
		if !slices.Contains(diag.WarningNames(), name) {
			return fmt.Errorf("no warning %q; dnnc help warnings lists them", name)
		}
		if w.Errors == nil {
			w.Errors = map[string]bool{}
		}
		w.Errors[name] = true
	}
	return nil
}

// Silence is -Wno-name.
func (w *Warnings) Silence(name string, silent bool) {
	if w.Silent == nil {
		w.Silent = map[string]bool{}
	}
	w.Silent[name] = silent
}

// Standard errors from which a difference is said: one in twenty has as much by chance, and
// one in a thousand.
const (
	lessErrors   = 1.64
	betterErrors = 3.09
)

// contradicted warns of what compareKept finds.
func (b *build) contradicted(s *Scores) error {
	env := b.r.Env
	if env.Report.Kept == nil {
		return nil
	}
	calib, err := env.Calibration()
	if err != nil {
		return err
	}
	for _, w := range compareKept(env.Report.Kept, s.Task.IsLabelled(calib), env.Objective == pass.Worst, s) {
		b.r.Warn(w)
	}
	return nil
}

// compareKept warns where the images to report on contradict what held-out images said of
// the network: k, of which areLabelled says that labels came with them.
func compareKept(k *pass.Kept, areLabelled, byKind bool, s *Scores) (list []*diag.Warning) {
	if k == nil || !k.Bound.IsDefined() || s.Float == nil || s.Quantized == nil {
		return nil
	}
	const help = "give -calib labelled images that the network was not trained on, of the kind that it will see"
	got := measure.Keeps(s.Quantized, s.Float, byKind)
	isBelow := func(bar measure.Estimate) bool {
		return bar.Value-got.Value > lessErrors*math.Hypot(bar.StdErr, got.StdErr)
	}
	var less *diag.Warning
	if isBelow(measure.Estimate{Value: k.Share}) || isBelow(k.Bound.Estimate) {
		less = diag.Warn(diag.LessOnData, "on %d images of -data the network has %.4f (standard error %.4f) of what the float network has; on %d held-out images of -calib it has %.4f (standard error %.4f), and %v was %s",
			got.Items, got.Value, got.StdErr, k.Bound.Items, k.Bound.Value, k.Bound.StdErr, k.Share, map[bool]string{true: "asked for", false: "aimed at"}[k.Promised]).WithHelp(help)
		list = append(list, less)
	}
	if !areLabelled || s.Labels != certificate.GivenLabels {
		return list // its own answers are right everywhere
	}
	for i, exact := range s.Float.All() {
		calib, test := k.Float[i], measure.Estimate{Value: exact.Mean(), StdErr: exact.StdErr()}
		if d := calib.Value - test.Value; d > betterErrors*math.Hypot(calib.StdErr, test.StdErr) {
			list = append(list, diag.Warn(diag.TrainingCalib, "the images of -calib are training images, or easier ones: the %s of the float network is %.4f on those held out from them, and %.4f on those of -data", exact.Measure(), calib.Value, test.Value).WithHelp(help))
		}
	}
	if len(list) == 1 && less != nil {
		// The labels are there, and the images none that it was trained on: that advice was followed.
		less.WithHelp("%s", moreOf(k.Share, got.Value))
	}
	return list
}

// moreOf is what to do for a share on images that are harder than those that it was shown on.
func moreOf(share, got float64) string {
	const help = "give -calib images drawn as those of -data are: the float network is as good on both, but rounding costs more there"
	more := math.Ceil(1000*(share+share-got)) / 1000
	if more <= share || more >= 1 {
		return help + "; or a greater budget"
	}
	return fmt.Sprintf("%s; or ask for more: -keep %v", help, more)
}
