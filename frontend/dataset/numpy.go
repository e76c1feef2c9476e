package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/input"
)

// The words by which arrays, columns and files of inputs and of labels go, in lower case and
// without the part of the data that they are of. They decide where shapes do not.
var (
	inputWords = []string{"x", "data", "image", "images", "input", "inputs", "feature", "features", "sample", "samples"}
	labelWords = []string{"y", "label", "labels", "target", "targets", "class", "classes", "mask", "masks"}
	partWords  = map[string]Part{"train": Train, "training": Train, "calib": Train, "calibration": Train, "test": Test, "testing": Test, "val": other, "valid": other, "validation": other}
)

// other is a part that is neither for calibration nor for a report.
const other Part = "validation"

// word is a name without its part: x and Test of x_test.
func word(name string) (w string, p Part) {
	var rest []string
	for _, f := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("_-. ", r) }) {
		if is, ok := partWords[f]; ok && p == "" {
			p = is
			continue
		}
		rest = append(rest, f)
	}
	return strings.Join(rest, "_"), p
}

// hasWord reports a name that is one of some words.
func hasWord(name string, words []string) bool {
	w, _ := word(name)
	return slices.Contains(words, w)
}

// partOf is the part that a name says.
func partOf(name string) Part {
	_, p := word(name)
	return p
}

// isNumpy reports an npz or an npy.
func isNumpy(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte("PK")) || bytes.HasPrefix(raw, []byte("\x93NUMPY"))
}

// kinds are numpy's names of types.
var kinds = map[weights.DType]string{
	weights.F64: "float64", weights.F32: "float32", weights.F16: "float16", weights.I64: "int64", weights.I32: "int32", weights.I16: "int16", weights.I8: "int8",
	weights.U64: "uint64", weights.U32: "uint32", weights.U16: "uint16", weights.U8: "uint8", weights.Bool: "bool",
}

// arrayOf is a tensor as items, of which the first dimension counts; nil of a single number.
func arrayOf(t weights.Tensor) *array {
	if len(t.Shape) == 0 {
		return nil
	}
	a := &array{name: t.Name, kind: kinds[t.DType], n: t.Shape[0], shape: t.Shape[1:]}
	if t.DType == weights.U8 {
		a.meaning = levels
	}
	bytes, size := t.DType.Size(), a.size()
	a.value = func(i, j int) float32 { return t.DType.Float32(t.Data[(i*size+j)*bytes:]) }
	return a
}

// numpy reads the arrays of an npz, or an npy with its labels beside it.
func (s *reader) numpy(raw []byte) (data.Batch, error) {
	list, err := s.arrays(s.path, raw)
	if err != nil {
		return data.Batch{}, err
	}
	beside, err := labelsBeside(s.path)
	if err != nil {
		return data.Batch{}, err
	}
	inputs := list // of an npy, whose name tells what it has
	if beside == "" {
		if inputs, err = s.findInputs(list); err != nil {
			return data.Batch{}, err
		}
	}
	if err := s.areAlike(inputs); err != nil {
		return data.Batch{}, err
	}
	rest := slices.DeleteFunc(slices.Clone(list), func(a *array) bool { return slices.Contains(inputs, a) })
	if beside != "" {
		raw, err := s.read(beside)
		if err == nil {
			rest, err = s.arrays(beside, raw)
		}
		if err != nil {
			return data.Batch{}, fmt.Errorf("%s: %w", filepath.Base(beside), err)
		}
		for _, a := range rest {
			if a.n != inputs[0].n {
				return data.Batch{}, miscounted(a, inputs[0])
			}
		}
	}
	b, err := s.inputs(inputs)
	if err != nil {
		return b, err
	}
	if len(s.at) < inputs[0].n { // items that are not drawn
		for _, a := range inputs {
			if i, j, ok := a.notFinite(); ok {
				return b, a.outside(i, j, a.n, a.value(i, j), Input{})
			}
		}
	}
	var found []label
	switch {
	case s.unlabelled():
	case beside == "":
		found, err = s.findLabels(rest, inputs)
	case len(s.Results) < 2: // else labels are of several results, of which an npy has none
		for _, a := range rest {
			found = append(found, label{a, ""})
		}
	}
	if err != nil {
		return b, err
	}
	if !s.unlabelled() {
		if err := s.unreadLabels(len(found) > 0, inputs[0]); err != nil {
			return b, err
		}
	}
	return b, s.targets(&b, found, rest, inputs)
}

// unreadLabels refuses an array that is no numbers where labels are looked for: it has the
// name of a result, or nothing else has labels, and it has the name of labels or one text
// for each item.
func (s *reader) unreadLabels(isFound bool, items *array) error {
	for _, u := range s.unread {
		p := partOf(u.Name)
		switch {
		case slices.ContainsFunc(s.Results, func(r Result) bool { return r.Name == u.Name }):
		case isFound || len(s.Results) > 1 || p != "" && partOf(items.name) != "" && p != partOf(items.name):
			continue
		case hasWord(u.Name, labelWords):
		case len(u.Shape) == 0 || u.Shape[0] != items.n || product(u.Shape[1:]) != 1:
			continue
		}
		what := "something that is no number"
		if u.First != "" {
			what = quote.Line(strconv.Quote(u.First))
		}
		return bad("item 0 has the label %s in %s, an array of %s [%s]: labels are numbers", what, u.Name, u.Elem, dims(u.Shape)).
			WithHelp("save them as whole numbers: numpy.unique(%s, return_inverse=True)[1]; %s takes none", u.Name, quote.Flag("labels", None))
	}
	return nil
}

// areAlike refuses arrays of other items than the network takes, or of several numbers of them.
func (s *reader) areAlike(inputs []*array) error {
	if len(inputs) == 0 || s.Want.Inputs != nil && len(inputs) != len(s.Want.Inputs) {
		return bad("%d arrays of %d inputs", len(inputs), len(s.Want.Inputs))
	}
	for k, a := range inputs {
		if a.n != inputs[0].n {
			return bad("the array %s has %d items, %s has %d", a.name, a.n, inputs[0].name, inputs[0].n)
		}
		if a.size() == 0 || a.n == 0 {
			return bad("the array %s has no elements: %s", a.name, a)
		}
		if s.Want.Inputs == nil {
			continue
		}
		if _, ok := fit(a.shape, s.Want.Inputs[k].Shape); !ok {
			return s.misfit(a, s.Want.Inputs[k])
		}
	}
	return nil
}

// arrays are those of a numpy file that are numbers of items.
func (s *reader) arrays(path string, raw []byte) (list []*array, err error) {
	base := filepath.Base(path)
	f, err := weights.ParseArrays(strings.TrimSuffix(base, filepath.Ext(base)), raw, int64(s.left))
	if err != nil {
		if errors.Is(err, input.ErrLarge) {
			return nil, err
		}
		return nil, damaged(path, "%v", err)
	}
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		s.left -= len(t.Data)
	}
	for _, name := range slices.Concat(s.Options.Inputs, s.Labels) {
		if _, array, ok := strings.Cut(name, "="); ok {
			name = array
		}
		for _, u := range f.Unread() {
			if u.Name == name {
				return nil, bad("the array %s has %v", name, u.Err)
			}
		}
	}
	s.unread = append(s.unread, f.Unread()...)
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		if a := arrayOf(t); a != nil {
			list = append(list, a)
		}
	}
	return list, nil
}

// labelsBeside is the npy with the labels of one of inputs, in its folder: y_test.npy of
// x_test.npy; "" where there is none.
func labelsBeside(path string) (string, error) {
	base := filepath.Base(path)
	stem, isArray := strings.CutSuffix(base, ".npy")
	if !isArray || !hasSome(stem, inputWords) {
		return "", nil
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range entries {
		name, isArray := strings.CutSuffix(e.Name(), ".npy")
		if isArray && e.Name() != base && without(name, labelWords) == without(stem, inputWords) && hasSome(name, labelWords) {
			found = append(found, e.Name())
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return filepath.Join(filepath.Dir(path), found[0]), nil
	}
	return "", bad("which of %s has the labels is not clear", strings.Join(found, ", ")).WithHelp("leave one of them beside it")
}

// parts are the words of a file's name.
func parts(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("_-. ", r) })
}

func hasSome(name string, words []string) bool {
	return slices.ContainsFunc(parts(name), func(w string) bool { return slices.Contains(words, w) })
}

// without is a name without some words.
func without(name string, words []string) string {
	return strings.Join(slices.DeleteFunc(parts(name), func(w string) bool { return slices.Contains(words, w) }), " ")
}

// listed are the arrays of a file, as messages list them.
func listed(list []*array) string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.String()
	}
	if len(names) == 0 {
		return "no arrays of items"
	}
	return strings.Join(names, ", ")
}

// namedLike is the array of a name, or else the only one whose name differs by case alone.
func namedLike(list []*array, name string) *array {
	if a := named(list, name); a != nil {
		return a
	}
	var found *array
	for _, a := range list {
		if strings.EqualFold(a.name, name) {
			if found != nil {
				return nil
			}
			found = a
		}
	}
	return found
}

func named(list []*array, name string) *array {
	for _, a := range list {
		if a.name == name {
			return a
		}
	}
	return nil
}

// findInputs are the arrays of the network's inputs: those that the user names; of several
// inputs those of their names; of one the array whose items fit it.
func (s *reader) findInputs(list []*array) (found []*array, err error) {
	wanted := s.Want.Inputs
	if said := s.Options.Inputs; len(said) > 0 {
		if n := max(len(wanted), 1); len(said) != n {
			return nil, bad("-inputs %s: %d arrays of %d inputs", strings.Join(said, ","), len(said), n)
		}
		return s.byName(list, said, "-inputs")
	}
	if len(wanted) > 1 {
		names := make([]string, len(wanted))
		for i, in := range wanted {
			names[i] = in.Name
		}
		return s.byName(list, names, "the network's inputs")
	}
	var fitting []*array
	for _, a := range list {
		switch {
		case len(wanted) == 0:
			if len(a.shape) > 0 {
				fitting = append(fitting, a)
			}
		case a.name == wanted[0].Name:
			return []*array{a}, nil
		default:
			if _, ok := fit(a.shape, wanted[0].Shape); ok {
				fitting = append(fitting, a)
			}
		}
	}
	switch {
	case len(fitting) > 0:
	case len(wanted) == 0 || len(list) == 0:
		d := bad("no array of items; there are %s", listed(list))
		if len(s.unread) > 0 {
			d.WithNote("the array %s has %v", s.unread[0].Name, s.unread[0].Err).WithHelp("save it as float32 or as uint8")
		}
		return nil, d
	case len(list) == 1:
		return nil, s.misfit(list[0], wanted[0])
	default:
		if of := s.narrow(list, inputWords); len(of) == 1 {
			return nil, s.misfit(of[0], wanted[0]).WithNote("there are %s", listed(list))
		}
		return nil, bad("no array has items of [%s], as the input %s takes; there are %s", dims(wanted[0].Shape), wanted[0].Name, listed(list)).
			WithHelp("save an array [N,%s]", dims(wanted[0].Shape))
	}
	if fitting = s.narrow(fitting, inputWords); len(fitting) > 1 {
		what := "the input"
		if len(wanted) == 1 {
			what += " " + wanted[0].Name
		}
		return nil, bad("which array %s takes is not clear: it could be %s", what, listed(fitting)).WithHelp("%s says it", quote.Flag("inputs", fitting[0].name))
	}
	return fitting, nil
}

// byName are the arrays of some names, in their order.
func (s *reader) byName(list []*array, names []string, who string) (found []*array, err error) {
	for _, name := range names {
		a := namedLike(list, name)
		if who == "-inputs" {
			a = named(list, name)
		}
		if a == nil {
			d := bad("no array %s; there are %s; %s: %s", name, listed(list), who, strings.Join(names, " "))
			if who == "-inputs" {
				d.WithHelp(sameNames)
			}
			return nil, d
		}
		found = append(found, a)
	}
	return found, nil
}

// narrow leaves of several arrays those with usual names, and of those the ones of the part
// that is wanted, where there are any.
func (s *reader) narrow(list []*array, words []string) []*array {
	for _, is := range []func(a *array) bool{
		func(a *array) bool { return hasWord(a.name, words) },
		func(a *array) bool { return s.Part != "" && partOf(a.name) == s.Part },
	} {
		var some []*array
		for _, a := range list {
			if is(a) {
				some = append(some, a)
			}
		}
		if len(some) > 0 && len(list) > 1 {
			list = some
		}
	}
	return list
}

// targets takes the labels that were found among the arrays that are no inputs, and says
// which they are.
func (s *reader) targets(b *data.Batch, found []label, rest, inputs []*array) error {
	var left unused
	var said []string
	for _, a := range rest {
		i := slices.IndexFunc(found, func(l label) bool { return l.array == a })
		if i < 0 {
			left.add(a.name, s.whyUnused(a, found, inputs))
			continue
		}
		if isSame(a, inputs, b.N) {
			s.said = append(s.said, fmt.Sprintf("%s is the input again", a.name))
			continue
		}
		if err := s.fits(b.N, a.size(), 4); err != nil {
			return err
		}
		if len(s.at) < a.n { // items that are not drawn
			if item, j, ok := a.notFinite(); ok {
				return a.badLabel(item, a.value(item, j))
			}
		}
		t, err := a.drawn(s.at).target(found[i].result, b.N)
		if err != nil {
			return err
		}
		b.Targets = append(b.Targets, t)
		said = append(said, a.String())
		if len(found) > 1 || found[i].result != "" {
			said[len(said)-1] += " of " + found[i].result
		}
		if t.Name == "" || len(s.Results) == 1 { // named like the only result or not
			b.Labels = wholes(t.X, b.N)
		}
	}
	if len(said) > 0 {
		s.said = append(s.said, "labels = "+strings.Join(said, ", "))
	} else {
		s.said = append(s.said, "no labels")
	}
	for _, u := range s.unread {
		left.add(u.Name, u.Elem+", no numbers")
	}
	s.leave(left)
	return nil
}

// unused are arrays or columns that are not used, by the reason, in their order.
type unused struct {
	reasons []string
	names   map[string][]string
}

func (u *unused) add(name, reason string) {
	if u.names == nil {
		u.names = map[string][]string{}
	}
	if u.names[reason] == nil {
		u.reasons = append(u.reasons, reason)
	}
	u.names[reason] = append(u.names[reason], name)
}

// leave says what is not used, and why.
func (s *reader) leave(u unused) {
	var list []string
	for _, reason := range u.reasons {
		list = append(list, fmt.Sprintf("%s (%s)", few(u.names[reason]), reason))
	}
	if len(list) > 0 {
		s.said = append(s.said, "left out: "+strings.Join(list, ", "))
	}
}

// whyUnused says why an array that is no input is not taken as labels.
func (s *reader) whyUnused(a *array, found []label, inputs []*array) string {
	own, p := inputs[0], partOf(a.name)
	isInput := func() bool {
		return slices.ContainsFunc(s.Want.Inputs, func(in Input) bool { _, ok := fit(a.shape, in.Shape); return ok })
	}
	switch {
	case p != "" && partOf(own.name) != "" && p != partOf(own.name):
		return fmt.Sprintf("of %s, not of %s", p, partOf(own.name))
	case a.n != own.n:
		return fmt.Sprintf("%d items, not %d", a.n, own.n)
	case a.size() == 0:
		return "no elements"
	case s.unlabelled():
		return "-labels " + None
	case len(s.Labels) > 0:
		return "not named by -labels"
	case len(s.Results) > 1:
		taken := make([]string, len(found))
		for i, l := range found {
			taken[i] = l.result
		}
		return s.whyNoResult(a, taken)
	case s.isLabel(a) && len(found) > 0:
		return fmt.Sprintf("%s has labels by its name; %s takes this one", found[0].name, quote.Flag("labels", a.name))
	case isInput():
		return fmt.Sprintf("%s has the items by its name; %s takes this one", own.name, quote.Flag("inputs", a.name))
	}
	return fmt.Sprintf("items of [%s] fit neither the input nor labels of the result", dims(a.shape))
}

// whyNoResult says why an array is not taken as labels of one of several results, of which some
// are taken already, and which ones it fits best.
func (s *reader) whyNoResult(a *array, taken []string) string {
	var fit []string
	best := 0
	for _, r := range s.Results {
		points := 1
		if !slices.Contains(taken, r.Name) {
			points += 2
		}
		if a.size() == product(r.Shape) || a.size() > 1 || a.chooses(product(r.Shape)) {
			points += 4
		}
		if !isLabelOf(a, r) || points < best {
			continue
		}
		if points > best {
			fit, best = nil, points
		}
		fit = append(fit, r.Name)
	}
	if len(fit) == 0 {
		return fmt.Sprintf("named like none of the results %s, and of another shape than their labels", strings.Join(s.resultNames(), ", "))
	}
	var ways []string
	for _, name := range fit[:min(len(fit), mostWays)] {
		ways = append(ways, quote.Flag("labels", name+"="+a.name))
	}
	take := strings.Join(ways, " or ")
	if slices.Contains(taken, fit[0]) {
		return fmt.Sprintf("%s has the labels of its name; %s takes this one", fit[0], take)
	}
	return fmt.Sprintf("no result has this name: %s takes it", take)
}

// mostWays is the most ways out that a reason lists.
const mostWays = 3

// chooses reports an array of one number an item, each the place of one of a number of elements.
func (a *array) chooses(elements int) bool {
	if a.size() != 1 {
		return false
	}
	for i := range a.n {
		if v := a.value(i, 0); !(v >= 0 && v < float32(elements)) || v != float32(int(v)) {
			return false
		}
	}
	return true
}

func (s *reader) resultNames() (list []string) {
	for _, r := range s.Results {
		list = append(list, r.Name)
	}
	return list
}

// sameNames is the help for a name that a data set does not have.
const sameNames = "-inputs and -labels name arrays or columns of -calib and -data alike: give these the same names in both"

// label is an array of labels, and the result that it is of; "" of the only one.
type label struct {
	*array
	result string
}

// findLabels finds the labels among arrays: those that the user names, those named like
// results, or of the only result the array with a number of each item that fits it.
func (s *reader) findLabels(rest, inputs []*array) (found []label, err error) {
	n := inputs[0].n
	for _, said := range s.Labels {
		name := said
		result, array, isNamed := strings.Cut(said, "=")
		if isNamed {
			if name = array; !slices.ContainsFunc(s.Results, func(r Result) bool { return r.Name == result }) {
				return nil, bad("-labels %s: the network has no result %s", said, result)
			}
		} else if result = ""; len(s.Results) > 1 {
			return nil, bad("-labels %s: the network has %d results", said, len(s.Results)).WithHelp("%s says of which they are", quote.Flag("labels", s.Results[0].Name+"="+said))
		}
		a := named(rest, name)
		switch {
		case a == nil:
			return nil, bad("-labels %s: no array %s; there are %s", said, name, listed(rest)).WithHelp(sameNames)
		case a.n != n:
			return nil, miscounted(a, inputs[0])
		}
		found = append(found, label{a, result})
	}
	for i, f := range found {
		if j := slices.IndexFunc(found[:i], func(g label) bool { return g.result == f.result || len(s.Results) == 1 }); j >= 0 {
			return nil, bad("-labels %s: %s and %s are labels of one result", strings.Join(s.Labels, ","), found[j].name, f.name).
				WithHelp("%s takes the first one alone", quote.Flag("labels", s.Labels[j]))
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	for _, r := range s.Results {
		if a := namedLike(rest, r.Name); a != nil {
			if slices.ContainsFunc(found, func(l label) bool { return l.array == a }) {
				continue // of a result whose name differs by case
			}
			if a.n != n {
				return nil, miscounted(a, inputs[0])
			}
			found = append(found, label{a, r.Name})
		}
	}
	if len(found) > 0 || len(s.Results) > 1 {
		return found, nil
	}
	var some, off []*array
	for _, a := range rest {
		switch p := partOf(a.name); {
		case p != "" && partOf(inputs[0].name) != "" && p != partOf(inputs[0].name): // of others
		case a.n == n && a.size() > 0:
			some = append(some, a)
		case hasWord(a.name, labelWords):
			off = append(off, a)
		}
	}
	if len(some) == 0 && len(off) > 0 {
		return nil, miscounted(off[0], inputs[0])
	}
	var fitting []*array
	for _, a := range some {
		if s.isLabel(a) {
			fitting = append(fitting, a)
		}
	}
	if len(fitting) == 0 { // the task tells what is wrong with labels of usual names
		for _, a := range some {
			if hasWord(a.name, labelWords) {
				fitting = append(fitting, a)
			}
		}
	}
	switch fitting = s.narrow(fitting, labelWords); len(fitting) {
	case 0:
		return nil, nil
	case 1:
		return []label{{fitting[0], ""}}, nil
	}
	return nil, bad("which array has the labels is not clear: it could be %s", listed(fitting)).WithHelp("%s says it; %s takes none", quote.Flag("labels", fitting[0].name), quote.Flag("labels", None))
}

// isLabel reports an array with as many numbers an item as labels of the result may have:
// one, one for each element, or one for each position of classes along an axis.
func (s *reader) isLabel(a *array) bool {
	if len(s.Results) == 0 {
		return a.size() == 1
	}
	return isLabelOf(a, s.Results[0])
}

// isLabelOf is isLabel for one result.
func isLabelOf(a *array, r Result) bool {
	if a.size() == 1 {
		return true
	}
	shape := r.Shape
	size := product(shape)
	return a.size() == size || slices.ContainsFunc(shape, func(d int) bool { return d > 1 && a.size()*d == size })
}

// miscounted says that there are labels of another number of items.
func miscounted(a, items *array) *diag.Diagnostic {
	return bad("%d labels in %s of %d items in %s", a.n, a, items.n, items).WithHelp("labels and items come in the same order, one of each")
}

// isSame reports an array whose items are the network's only input again.
func isSame(a *array, inputs []*array, n int) bool {
	x := inputs[0]
	if len(inputs) > 1 || a.size() != x.size() || a.size() == 1 {
		return false
	}
	for i := range n {
		for j := range a.size() {
			if a.value(i, j) != x.value(i, j) {
				return false
			}
		}
	}
	return true
}

// badLabel refuses a label of item i that is NaN or infinite.
func (a *array) badLabel(i int, v float32) *diag.Diagnostic {
	return bad("%s has the label %v in %s", a.item(i), v, a.name).WithHelp("fill the value, or leave the item out")
}

// target is the labels of the first n items.
func (a *array) target(result string, n int) (data.Target, error) {
	t := data.Target{Name: result, From: a.name, Shape: a.shape}
	for i := range n {
		for j := range a.size() {
			v := a.value(i, j)
			if v-v != 0 {
				d := a.badLabel(i, v)
				if a.place != nil {
					d.Pos = a.place(i, j)
				}
				return t, d
			}
			t.X = append(t.X, v)
		}
	}
	return t, nil
}

// wholes are labels that are one whole number an item, as integers; nil of others.
func wholes(x []float32, n int) []int {
	if len(x) != n {
		return nil
	}
	out := make([]int, n)
	for i, v := range x {
		if !(v >= 0 && v < 1<<20) || v != float32(int(v)) {
			return nil
		}
		out[i] = int(v)
	}
	return out
}
