package measure

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// boxForms are the meanings of a box's four numbers, as its corners left, top, right, bottom.
var boxForms = map[string]func(v [4]float64) [4]float64{
	"xyxy": func(v [4]float64) [4]float64 { return v },
	"yxyx": func(v [4]float64) [4]float64 { return [4]float64{v[1], v[0], v[3], v[2]} },
	"xywh": func(v [4]float64) [4]float64 { return [4]float64{v[0], v[1], v[0] + v[2], v[1] + v[3]} },
	"cxcywh": func(v [4]float64) [4]float64 {
		return [4]float64{v[0] - v[2]/2, v[1] - v[3]/2, v[0] + v[2]/2, v[1] + v[3]/2}
	},
}

// BoxForms lists the forms of boxes.
func BoxForms() []string { return []string{"xyxy", "yxyx", "xywh", "cxcywh"} }

// sameBox is the IoU from which on detections of two networks agree. Within one network, boxes
// that overlap by more are one: the suppression of others usually keeps boxes at the threshold.
const sameBox = .5

// Detector compares the detections that two networks make of the same items.
type Detector struct {
	boxes, scores Result
	count         int // of boxes
	classes       int
	inner         int // 1: the numbers of a box lie side by side; else count, apart
	form          string
	corners       func(v [4]float64) [4]float64
	found         int            // boxes of detections, of both networks under all conditions
	empty         map[string]int // how many of them would be empty by each form
	least         float64        // score of a detection

	answer [2][]float32 // of the float network and of the quantized one, under this condition
	items  int
	size   int
	kinds  []string
	under  [][][]float64 // under each condition, by item: twice the agreeing detections, and all
}

// NewDetector reads what the results of a task are for detections: "boxes: NAME, scores:
// NAME, form: xyxy", and "least: .5", the score of a detection, which probabilities have by
// themselves. Boxes are [n,4] or [4,n], scores [n,classes] or [classes,n].
func NewDetector(t *Task, text string) (*Detector, error) {
	bad := func(format string, args ...any) error {
		return diag.New(diag.Pos{}, diag.BadValue, "-detect %s: %s", text, fmt.Sprintf(format, args...)).
			WithHelp(`-detect "boxes: NAME, scores: NAME, form: %s"`, strings.Join(BoxForms(), "|"))
	}
	said := map[string]string{}
	for _, part := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(part, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || !slices.Contains([]string{"boxes", "scores", "form", "least"}, key) || said[key] != "" || value == "" {
			return nil, bad("it has boxes, scores, form and least, each once; %q is none of them", strings.TrimSpace(part))
		}
		said[key] = value
	}
	d := &Detector{size: t.Size(), form: said["form"], empty: map[string]int{}}
	for key, r := range map[string]*Result{"boxes": &d.boxes, "scores": &d.scores} {
		i := slices.IndexFunc(t.Results, func(r Result) bool { return r.Name == said[key] })
		if i < 0 {
			return nil, bad("the network has no result %q for %s", said[key], key)
		}
		*r = t.Results[i]
	}
	if d.boxes.Name == d.scores.Name {
		return nil, bad("%s is said to have the boxes and the scores: a result has one of them", d.boxes.Name)
	}
	shape := slices.DeleteFunc(slices.Clone(d.boxes.Shape), func(n int) bool { return n == 1 })
	d.count = d.boxes.size / 4
	switch {
	case slices.Equal(shape, []int{4}):
		d.inner = 1
	case len(shape) == 2 && shape[1] == 4 && shape[0] != 4:
		d.inner = 1
	case len(shape) == 2 && shape[0] == 4 && shape[1] != 4:
		d.inner = d.count
	default:
		return nil, bad("boxes are [n,4] or [4,n], and %s is %s", d.boxes.Name, d.boxes.Shape)
	}
	d.classes = d.scores.size / d.count
	end := slices.DeleteFunc(slices.Clone(d.scores.Shape), func(n int) bool { return n == 1 })
	isEnd := d.count == 1 || d.classes == 1 || len(end) == 2 && (d.inner == 1 && end[1] == d.classes || d.inner > 1 && end[0] == d.classes)
	if d.classes*d.count != d.scores.size || !isEnd {
		return nil, bad("%d boxes have scores as %s has boxes, the classes in place of the four numbers, and %s is %s", d.count, d.boxes.Name, d.scores.Name, d.scores.Shape)
	}
	if d.corners = boxForms[d.form]; d.corners == nil {
		return nil, bad("the form of boxes is one of %s", strings.Join(BoxForms(), ", "))
	}
	switch x, err := decimal.Float(said["least"], 64); {
	case said["least"] != "" && (err != nil || x-x != 0):
		return nil, bad("the least score %s is no number", said["least"])
	case said["least"] != "" && d.scores.isShare && x > 1:
		return nil, bad("the scores %s are probabilities, and none reaches %v: no box would count", d.scores.Name, x)
	case said["least"] != "":
		d.least = x
	case d.scores.isShare:
		d.least = .5
	default:
		return nil, bad("%s are no probabilities: say the score of a detection, as least: 0", d.scores.Name)
	}
	return d, nil
}

// detection is a box that a network sees.
type detection struct {
	corners [4]float64
	class   int
	score   float64
}

// iou is the share of the union of two boxes that both cover; 0 of empty ones.
func iou(a, b [4]float64) float64 {
	area := func(x [4]float64) float64 { return max(x[2]-x[0], 0) * max(x[3]-x[1], 0) }
	both := area([4]float64{max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])})
	if all := area(a) + area(b) - both; all > 0 {
		return both / all
	}
	return 0
}

// detections are those of one item, the greatest scores first; of boxes of one class that
// are one the greatest score counts.
func (d *Detector) detections(answers []float32) (list []detection) {
	boxes, scores := answers[d.boxes.from:d.boxes.from+d.boxes.size], answers[d.scores.from:d.scores.from+d.scores.size]
	at := func(x []float32, box, e, per int) float64 {
		if d.inner == 1 {
			return float64(x[box*per+e])
		}
		return float64(x[e*d.count+box])
	}
	var all []detection
	for i := range d.count {
		best := detection{score: math.Inf(-1)}
		for c := range d.classes {
			if v := at(scores, i, c, d.classes); v > best.score {
				best.class, best.score = c, v
			}
		}
		if best.score >= d.least {
			box := [4]float64{at(boxes, i, 0, 4), at(boxes, i, 1, 4), at(boxes, i, 2, 4), at(boxes, i, 3, 4)}
			best.corners = d.corners(box)
			d.found++
			for name, corners := range boxForms {
				if c := corners(box); !(c[2] > c[0] && c[3] > c[1]) {
					d.empty[name]++
				}
			}
			all = append(all, best)
		}
	}
	slices.SortStableFunc(all, func(a, b detection) int { return cmp.Compare(b.score, a.score) })
	for _, a := range all {
		if !slices.ContainsFunc(list, func(b detection) bool { return a.class == b.class && iou(a.corners, b.corners) > sameBox }) {
			list = append(list, a)
		}
	}
	return list
}

// compare counts the detections of two networks that are one, twice, and all detections.
func (d *Detector) compare(ref, got []float32) []float64 {
	a, b := d.detections(ref), d.detections(got)
	used, same := make([]bool, len(b)), 0
	for _, x := range a {
		best, most := -1, 0.0
		for j, y := range b {
			if v := iou(x.corners, y.corners); !used[j] && x.class == y.class && v >= sameBox && v > most {
				best, most = j, v
			}
		}
		if best >= 0 {
			used[best], same = true, same+1
		}
	}
	return []float64{2 * float64(same), float64(len(a) + len(b))}
}

// Attach has the detections of the two networks of a measurement compared.
func (d *Detector) Attach(s *Setup) {
	d.items = s.Images.N
	before := s.Watch
	s.Watch = func(c disturb.Condition, network int, answers []float32) error {
		if d.answer[network] = append(d.answer[network], answers...); network == 1 && len(d.answer[1]) == d.items*d.size {
			stats := make([][]float64, d.items)
			for i := range stats {
				stats[i] = d.compare(d.answer[0][i*d.size:(i+1)*d.size], d.answer[1][i*d.size:(i+1)*d.size])
			}
			name := Clean
			if c.Kind != nil {
				name = c.Name()
			}
			d.kinds, d.under, d.answer = append(d.kinds, name), append(d.under, stats), [2][]float32{}
		}
		if before != nil {
			return before(c, network, answers)
		}
		return nil
	}
}

// Doubt says why the agreement may say nothing; "" where nothing speaks against it: there are no
// detections, or by the form that was said most boxes are empty, whose right or lower end does
// not lie after the other one.
func (d *Detector) Doubt() string {
	if d.found == 0 {
		return fmt.Sprintf("neither network has a score in %s of at least %g, as a detection has; least: says another one", d.scores.Name, d.least)
	}
	if 2*d.empty[d.form] <= d.found {
		return ""
	}
	says := fmt.Sprintf("as %s %d of %d boxes in %s are empty, and agree with none", d.form, d.empty[d.form], d.found, d.boxes.Name)
	best := slices.MinFunc(BoxForms(), func(a, b string) int { return cmp.Compare(d.empty[a], d.empty[b]) })
	if 2*d.empty[best] > d.found {
		return says + fmt.Sprintf("; none of the forms %s suits them", strings.Join(BoxForms(), ", "))
	}
	return says + fmt.Sprintf("; form: %s makes %d of them empty", best, d.empty[best])
}

// Agreement is the share of all detections that both networks make, the mean over the sizes
// of each kind of error and then over the kinds; and the detections of the float network
// and the quantized one together. It is not defined where there are none.
func (d *Detector) Agreement() (agreement Interval, detections int) {
	s := &Score{}
	for i, stats := range d.under {
		for _, it := range stats {
			detections += int(it[1])
		}
		s.add(d.kinds[i], 0, nil, nil, nil, stats)
	}
	f := figure{"detections", func(s sample) float64 { return over(s.sum(0), s.sum(1)) }}
	return bootstrap(func(draw *resample) float64 { return s.figure(f, draw) }), detections
}
