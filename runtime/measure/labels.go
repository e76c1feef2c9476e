package measure

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
)

func (t *Task) labels(b data.Batch) ([][]float32, error) {
	out, err := t.given(b)
	for k, x := range out {
		if t.Results[k].Task == ir.Reconstruction && len(x) > 0 && !slices.ContainsFunc(x, func(v float32) bool { return v != x[0] }) {
			out[k] = nil // all normal: no score tells them apart
		}
	}
	return out, err
}

func targetOf(b data.Batch, result string, results int) int {
	i := slices.IndexFunc(b.Targets, func(l data.Target) bool { return l.Name != "" && l.Name == result })
	if i < 0 && results == 1 {
		i = slices.IndexFunc(b.Targets, func(l data.Target) bool { return l.Name == "" })
	}
	return i
}

func (t *Task) given(b data.Batch) ([][]float32, error) {
	out := make([][]float32, len(t.Results))
	for k := range t.Results {
		r := &t.Results[k]
		i := targetOf(b, r.Name, len(t.Results))
		var x []float32
		switch {
		case len(t.Results) == 1 && b.Labels != nil && (i < 0 || b.Targets[i].Name == ""):
			for _, l := range b.Labels {
				x = append(x, float32(l))
			}
		case i >= 0:
			x = b.Targets[i].X
		default:
			continue
		}
		size := len(x) / max(b.N, 1)
		if want := r.row.labels(r); size != want {
			d := diag.New(diag.Pos{}, diag.BadData, "labels of %s are %s, of which an item has %d; these are %d numbers an item", r.Task, r.row.label, want, size).
				WithHelp("the result %s is %s; another -task, or other labels", r.Name, r.Shape)
			if r.Task != ir.Classes && r.Task != ir.Binary || i < 0 {
				return nil, d
			}
			classes := r.classes
			if r.Task == ir.Binary {
				classes = 2
			}
			if axis, ok := oneHot(x, b.Targets[i].Shape, classes); ok {
				d.WithNote("of each item's numbers one is 1, and the others are 0").WithHelp("of labels that are one-hot save numpy.argmax(y, %d)", axis+1)
				if r.Task == ir.Classes && r.isPlain() {
					d.Help += "; or " + sayTask(ir.Multilabel)
				}
			}
			return nil, d
		}
		if j := slices.IndexFunc(x, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }); j >= 0 {
			return nil, diag.New(diag.Pos{}, diag.BadData, "image %s has the label %v: labels of %s are %s", b.Called(j/size), x[j], r.Task, r.row.label).
				WithHelp("leave the item out, or give it a number")
		}
		if r.row.most != nil {
			most := r.row.most(r)
			if n := len(b.Folders); n > 0 && n != most && (r.Task == ir.Classes || r.Task == ir.Binary) {
				return nil, otherFolders(b.Folders, most)
			}
			for j, v := range x {
				if r.isVoid(v) {
					continue
				}
				switch whole := v == float32(int(v)); {
				case whole && r.isPlain() && (v < 0 || int(v) >= most):
					return nil, beyond(b.Called(j/size), int(v), most, x)
				case !whole || v < 0 || int(v) >= most:
					at, are := "", r.row.label
					if size > 1 && i >= 0 {
						at = " at " + placeIn(b.Targets[i].Shape, j%size)
					}
					if r.Task == ir.Classes {
						are = fmt.Sprintf("%s from 0 to %d", are, most-1)
					}
					return nil, diag.New(diag.Pos{}, diag.BadData, "image %s has the label %v%s: labels of %s are %s", b.Called(j/size), v, at, r.Task, are).
						WithHelp("%s", r.mend(x, most))
				}
			}
		}
		out[k] = x
	}
	return out, nil
}

var voids = []float32{255, -1, -100}

func (r *Result) isVoid(label float32) bool {
	return r.Task == ir.Classes && r.Axis != ir.NoAxis && slices.Contains(voids, label) && !r.isClass(label)
}

func (r *Result) void(x []float32) string {
	var list []string
	for _, v := range voids {
		if r.isVoid(v) && slices.Contains(x, v) {
			list = append(list, fmt.Sprint(v))
		}
	}
	return strings.Join(list, " and ")
}

func (r *Result) isClass(label float32) bool { return label >= 0 && label < float32(r.classes) }

func (r *Result) checkVoid(b data.Batch, x []float32) error {
	void := r.void(x)
	if void == "" {
		return nil
	}
	only := math.NaN()
	isSeveral := false
	for i := range len(x) / r.positions {
		isJudged := false
		for _, v := range x[i*r.positions : (i+1)*r.positions] {
			if r.isVoid(v) {
				continue
			}
			isJudged = true
			isSeveral = isSeveral || only == only && float64(v) != only
			only = float64(v)
		}
		if !isJudged {
			return diag.New(diag.Pos{}, diag.BadData, "image %s has no label but %s (void): nothing of it can be judged", b.Called(i), void).WithHelp("leave the image out")
		}
	}
	if isSeveral {
		return nil
	}
	at := slices.IndexFunc(x, r.isVoid)
	return diag.New(diag.Pos{}, diag.BadData, "image %s has the label %v: labels of %s are %s", b.Called(at/r.positions), x[at], r.Task, r.row.label).
		WithNote("all other labels are %v, so that %s can hardly mean void", only, void).
		WithHelp("%s; another -task, or other labels", choices(r.classes))
}

func placeIn(shape []int, e int) string {
	list := make([]string, len(shape))
	for k, n := range slices.Backward(shape) {
		list[k] = strconv.Itoa(e % n)
		e /= n
	}
	return "[" + strings.Join(list, ",") + "]"
}

func (r *Result) mend(x []float32, most int) string {
	var values []float32 // those that there are, void left out
	void := map[float32]bool{}
	for _, v := range x {
		if r.isVoid(v) {
			void[v] = true
		} else if len(values) <= most+1 && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	if way := renumbered(values, most); way != "" {
		return way
	}
	if all := slices.Sorted(maps.Keys(void)); len(all) > 0 { // which may be classes
		if way := renumbered(slices.Sorted(slices.Values(append(all, values...))), most); way != "" {
			return way
		}
	}
	const others = "; another -task, or other labels"
	beyond := slices.DeleteFunc(slices.Clone(values), func(v float32) bool { return v >= 0 && v < float32(most) })
	switch {
	case r.Task != ir.Classes || r.Axis == ir.NoAxis || len(beyond) != 1 || len(values) > most+1:
		return choices(most) + others
	case beyond[0] == float32(most):
		return fmt.Sprintf("%s; where %d stands for no class, write 255 (void) for it; of labels from 1, with 0 for no class, take 1 off each and write 255 for 0", choices(most), most)
	}
	return fmt.Sprintf("%s; where %v stands for no class, write 255 (void) for it%s", choices(most), beyond[0], others)
}

func signed(n int) string {
	if n < 0 {
		return fmt.Sprintf("- %d", -n)
	}
	return fmt.Sprintf("+ %d", n)
}

const mostExact = 1 << 24

func renumbered(values []float32, most int) string {
	if len(values) == 0 || len(values) > most || slices.ContainsFunc(values, func(v float32) bool { return v != float32(int(v)) || v < -mostExact || v > mostExact }) {
		return ""
	}
	least, greatest := int(values[0]), int(values[len(values)-1])
	step := (greatest - least) / max(most-1, 1)
	spans := step > 0 && (step == 1 || len(values) == most) && (greatest-least)%(most-1) == 0 && !slices.ContainsFunc(values, func(v float32) bool { return (int(v)-least)%step != 0 })
	switch {
	case least >= 1 && greatest == most:
		return "labels are counted from 1: take 1 off each"
	case spans && step == 1 && least < 0:
		return fmt.Sprintf("labels are counted from %d: add %d to each", least, -least)
	case spans && step == 1 && least > 0:
		return fmt.Sprintf("labels are counted from %d: take %d off each", least, least)
	case spans && least == 0:
		return fmt.Sprintf("labels are %d apart: divide them by %d, y // %d in numpy", step, step, step)
	case spans:
		return fmt.Sprintf("labels are %d apart: (y %s) // %d in numpy", step, signed(-least), step)
	case len(values) == most:
		var list []string
		for _, v := range values {
			list = append(list, fmt.Sprint(v))
		}
		return fmt.Sprintf("number the labels in their order: numpy.searchsorted([%s], y)", strings.Join(list, ", "))
	}
	return ""
}

func choices(most int) string {
	if most == 2 {
		return "0 or 1"
	}
	return fmt.Sprintf("values from 0 to %d", most-1)
}

func oneHot(x []float32, shape []int, classes int) (axis int, ok bool) {
	for axis, n := range shape {
		if n != classes || n < 2 {
			continue
		}
		inner := ir.Shape(shape[axis+1:]).Size()
		sums := make([]int, len(x)/n)
		isTruth := true
		for i, v := range x {
			isTruth = isTruth && (v == 0 || v == 1)
			if v == 1 {
				sums[i/(inner*n)*inner+i%inner]++
			}
		}
		if isTruth && len(x)%(n*inner) == 0 && !slices.ContainsFunc(sums, func(ones int) bool { return ones != 1 }) {
			return axis, true
		}
	}
	return 0, false
}

func (t *Task) Gaps(b data.Batch) []string {
	out := make([]string, len(t.Results))
	list, err := t.given(b)
	if err != nil {
		return out
	}
	for k, x := range list {
		if len(x) > 0 {
			out[k] = strings.Join(t.Results[k].gaps(x), ", ")
		}
	}
	return out
}

func (r *Result) gaps(x []float32) (list []string) {
	size := r.row.labels(r)
	switch r.Task {
	case ir.EmbeddingTask:
		count := map[float32]int{}
		for _, v := range x {
			count[v]++
		}
		switch {
		case len(count) == len(x) && len(x) > 1:
			list = append(list, "no two items share a label")
		case len(count) == 1:
			list = append(list, fmt.Sprintf("every label is %v", x[0]))
		}
		return list
	case ir.Values, ir.Multilabel:
		return r.constants(x, size)
	}
	seen, left := map[int]bool{}, 0
	for _, v := range x {
		if r.isClass(v) || r.Task != ir.Classes {
			seen[int(v)] = true
		} else {
			left++
		}
	}
	var none []string
	for c := range r.row.most(r) {
		if !seen[c] {
			none = append(none, strconv.Itoa(c))
		}
	}
	switch {
	case len(seen) == 1:
		list = append(list, fmt.Sprintf("every label is %v", x[slices.IndexFunc(x, func(v float32) bool { return !r.isVoid(v) })]))
	case len(none) > mostListed:
		list = append(list, fmt.Sprintf("no label is one of %d of the %d classes", len(none), r.row.most(r)))
	case len(none) > 0:
		list = append(list, "no label is "+strings.Join(none, ", "))
	}
	if left > 0 {
		list = append(list, fmt.Sprintf("%.3g %% of the labels are %s (void) and left out", 100*float64(left)/float64(len(x)), r.void(x)))
	}
	return list
}

func (r *Result) constants(x []float32, size int) (list []string) {
	if len(x) == size { // of one item all are
		return nil
	}
	same := map[float32][]string{}
	count := 0
	for e := range size {
		isSame := true
		for i := e; i < len(x); i += size {
			isSame = isSame && x[i] == x[e]
		}
		if isSame {
			same[x[e]] = append(same[x[e]], strconv.Itoa(e))
			count++
		}
	}
	end := ""
	if r.Task == ir.Values && count < size {
		end = ", and left out of the measure"
	}
	switch {
	case count == 0:
	case size == 1:
		list = append(list, fmt.Sprintf("every label is %v", x[0]))
	case count > mostListed:
		list = append(list, fmt.Sprintf("%d of the %d elements of the labels are the same for every item%s", count, size, end))
	default:
		for _, v := range slices.Sorted(maps.Keys(same)) {
			what := "element " + same[v][0]
			if len(same[v]) > 1 {
				what = "each of the elements " + strings.Join(same[v], ", ")
			}
			list = append(list, fmt.Sprintf("%s of the labels is %v for every item%s", what, v, end))
		}
	}
	return list
}

func (t *Task) LabelsFrom(b data.Batch, k int) string {
	i := targetOf(b, t.Results[k].Name, len(t.Results))
	if i < 0 {
		return ""
	}
	return b.Targets[i].From
}

func otherFolders(folders []string, classes int) *diag.Diagnostic {
	list := strings.Join(folders[:min(len(folders), mostNamed)], ", ")
	if len(folders) > mostNamed {
		list += ", ..."
	}
	d := diag.New(diag.Pos{}, diag.BadData, "folders of classes: the data have %d, the network has %d classes", len(folders), classes).
		WithNote("labels are the places of the folders by name: %s", list)
	if len(folders) > classes {
		return d.WithHelp("take away the folders that are no class of the network")
	}
	return d.WithHelp("make an empty folder for each class that the data lack, or name the folders by the labels: 0, 1 and so on")
}

const mostNamed = 8

func beyond(image string, label, classes int, x []float32) *diag.Diagnostic {
	r := Result{Task: ir.Classes, Axis: ir.NoAxis, classes: classes}
	d := diag.New(diag.Pos{}, diag.BadData, "image %s has the label %d, the network has %d classes", image, label, classes)
	if way := r.mend(x, classes); !strings.HasPrefix(way, choices(classes)) {
		return d.WithHelp("%s", way)
	}
	return d.WithHelp("labels are from 0 to %d, these are from %v to %v: they are of another task", classes-1, slices.Min(x), slices.Max(x))
}

func (t *Task) Check(b data.Batch) error {
	list, err := t.labels(b)
	if err != nil {
		return err
	}
	for k, x := range list {
		if err := t.Results[k].checkVoid(b, x); err != nil {
			return err
		}
	}
	return nil
}

func (t *Task) Labelled(b data.Batch) []bool {
	out := make([]bool, len(t.Results))
	list, err := t.labels(b)
	for k := range out {
		out[k] = err == nil && list[k] != nil
	}
	return out
}

func (t *Task) IsLabelled(b data.Batch) bool {
	return len(t.Results) > 0 && !slices.Contains(t.Labelled(b), false)
}

func whole(x []float32) []int {
	if x == nil {
		return nil
	}
	out := make([]int, len(x))
	for i, v := range x {
		out[i] = int(v)
	}
	return out
}
