package diag

import (
	"fmt"
	"strings"
)

// A Warning is what the user should know of work that was done all the same.
type Warning struct {
	Name    string `json:"name"` // of a row of WarningKinds
	Message string `json:"message"`
	Help    string `json:"help,omitempty"` // the way out
}

// WarningKind is a row of the table of warnings.
type WarningKind struct {
	Name string
	When string // the condition, with its threshold
	Why  string // what goes wrong where it is ignored
}

// The names of the warnings.
const (
	NoCalibration   = "no-calibration"
	NotMeasured     = "not-measured"
	SeenImages      = "seen-images"
	UnknownObject   = "unknown-object"
	MissingPanel    = "missing-panel"
	LowFidelity     = "low-fidelity"
	UnevenColumns   = "uneven-columns"
	WastedLevels    = "wasted-levels"
	BelowAim        = "below-aim"
	AboveInt8       = "above-int8"
	LessOnData      = "less-on-data"
	OtherImages     = "other-images"
	TrainingCalib   = "training-images"
	ChanceLevel     = "chance-level"
	BelowConstant   = "below-constant"
	MisreadData     = "misread-data"
	DoubtfulData    = "doubtful-data"
	ImportedWeights = "imported-weights"
)

// The thresholds of LowFidelity.
const (
	LeastSQNR      = 15.  // dB
	LeastAgreement = 0.97 // share of the images
)

// WarningKinds are all warnings. `dnnc help warnings`, the flags -Wno-NAME and the README
// come from this table.
var WarningKinds = []WarningKind{
	{LowFidelity, fmt.Sprintf("on calibration images, a result has a signal-to-quantization-noise ratio under %g dB, of values also over their spread (the variance in place of the squares), or answers agree with the float network's on under %g %%; verify compares on its own inputs, by the ratio alone", LeastSQNR, 100*LeastAgreement),
		"the integers compute something else than the network that was trained"},
	{UnevenColumns, fmt.Sprintf("on calibration images, a result of values, or of at most 16 numbers whose task is not said, or an input of features or of a signal has a signal-to-quantization-noise ratio of at least %g dB, but one of its columns (elements, or channels of [C,H,W] and of signals) has less, over its own variance, and a standard deviation of at most a sixteenth of another column's", LeastSQNR),
		"columns have one scale, which suits the greatest numbers: what a column in a small unit tells is rounded off"},
	{WastedLevels, "fewer than 32 of the 256 levels of an activation hold 99.9 % of its elements on calibration images",
		"the activation has few bits, and what is computed of it is coarse"},
	{NoCalibration, "neither -calib nor the network names calibration images",
		"ranges of activations come from noise, which real inputs may leave: they saturate then"},
	{NotMeasured, "-data names images, and the task of the network is not clear, or not judged yet",
		"the certificate has no accuracy, although images were given"},
	{SeenImages, "a file of the images to report on is a file of the images that calibrate, or an image among them is one of those that calibrate or that a search saw",
		"the network is judged on what it was fitted to: its accuracy on other images is lower"},
	{BelowAim, "after a search without -keep, whose aim is 99 % of the robust accuracy, no network that was measured has it by its estimate",
		"the network that keeps most is shipped; it may lose more than it should"},
	{AboveInt8, "by -O robust, without -cycles and -ram, the network takes more instructions (estimated cycles, where nothing counts them) or a larger arena than int8 on the same target, as the budget leaves no other choice; or its object takes more flash",
		"a network that was made smaller may be slower, or need more RAM or flash, than the one that was not"},
	{LessOnData, "after a search for a share of the robust accuracy, the share on the images of -data lies below what was asked for or aimed at, or below the estimate on held-out images of -calib, by more than 1.64 standard errors",
		"-keep promises a share on images like those of -calib, and the images of -data are others: harder, or not those that the network was trained on"},
	{TrainingCalib, "after a search for a share of the robust accuracy, the float network is better on held-out images of -calib than on those of -data by more than 3.09 standard errors",
		"on images that the network was trained on its answers are surer, and bear more rounding, than on those that it will see"},
	{OtherImages, "a dump that was calibrated on some images is compiled with -calib of others",
		"the ranges of the dump do not come from these images, which may leave them; what is measured on these says nothing of the others"},
	{ChanceLevel, "before a search or a report, the answers to at most 512 labelled items are no better than the best constant answer by two paired standard errors",
		"data, labels or weights are not those of the trained network, or the network has learnt nothing; then a search has nothing to keep"},
	{BelowConstant, "under a kind of error, on labelled items, the float network is worse than the best constant answer by more than two paired standard errors",
		"a network that keeps what the float network has may lose what it is right on, and gain where neither is of use: the mean over the kinds hides it"},
	{MisreadData, "with -data-as-is, or of labels of items that only give ranges, which make it a warning: another usual reading of the items or their labels is better by a paired test (p < 1e-4) on 512 to 2048 of them",
		"ranges, widths and accuracy are those of data that the network does not meet in use"},
	{DoubtfulData, "without labels, all items get the same answer, or the answers have at least twice the information about the items under another usual reading (a reconstruction: at most half of the error)",
		"a trained network seldom answers so to items that it was trained for; labels would tell"},
	{UnknownObject, "verify -run-unknown runs an object that is not what its certificate describes",
		"an object is code: it may do anything that the user of dnnc may do"},
	{ImportedWeights, "init writes a project around an ONNX or TensorFlow Lite model",
		"the folder has the weights in it, and whoever gets the folder gets them; their licence may not allow that"},
	{MissingPanel, "eval -plane: a method has no network of the size that is drawn",
		"the picture compares fewer methods than were asked for"},
}

// Warn makes a warning of a kind.
func Warn(name, format string, args ...any) *Warning {
	return &Warning{Name: name, Message: fmt.Sprintf(format, args...)}
}

// WithHelp adds the way out.
func (w *Warning) WithHelp(format string, args ...any) *Warning {
	w.Help = fmt.Sprintf(format, args...)
	return w
}

// String is the warning as it is printed, the help on a line of its own.
func (w *Warning) String() string {
	text := fmt.Sprintf("dnnc: warning: [%s] %s", w.Name, w.Message)
	if w.Help != "" {
		text += "\n    help: " + w.Help
	}
	return text
}

// WarningNames lists the names of the warnings.
func WarningNames() (names []string) {
	for _, k := range WarningKinds {
		names = append(names, k.Name)
	}
	return names
}

// WarningTable is the table of warnings in Markdown.
func WarningTable() string {
	var b strings.Builder
	b.WriteString("| warning | when | why |\n| --- | --- | --- |\n")
	for _, k := range WarningKinds {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, k.When, k.Why)
	}
	return b.String()
}
