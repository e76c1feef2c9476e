// Detect judges detections for dnnc eval -metric, as detect.py beside it does:
//
//	detect MODE BOXES SCORES FORM [LEAST] answers.npz labels.npz
//
// BOXES and SCORES are the names of two results. FORM is the meaning of the four numbers of
// a box: xyxy, yxyx, xywh, cxcywh, or yolo: then boxes are [4,h,w] and scores [classes,h,w],
// a cell of a grid has one box, and its numbers are the middle of the box within the cell,
// and width and height as shares of the picture. Otherwise boxes are [n,4] or [4,n], and
// scores [n,classes] or [classes,n]. LEAST is the score of a detection, .5 where it is not
// given. Boxes of one class are suppressed by a box with a greater score and an IoU above .5.
//
// The mode agreement prints the share of detections that the float network makes, too: what
// dnnc eval -detect measures, under one condition. The mode map prints the mean over the
// classes of the average precision at an IoU of .5, against the labels, which are arrays
// named like the results and decoded like them (a score of 1 is an object). Without labels
// the float network's detections are the objects.
package main

import (
	"cmp"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
)

// same is the IoU of boxes that are one.
const same = .5

// detection is a box that a network sees, by its corners left, top, right, bottom.
type detection struct {
	corners [4]float64
	class   int
	score   float64
}

var forms = map[string]func(v [4]float64) [4]float64{
	"xyxy": func(v [4]float64) [4]float64 { return v },
	"yxyx": func(v [4]float64) [4]float64 { return [4]float64{v[1], v[0], v[3], v[2]} },
	"xywh": func(v [4]float64) [4]float64 { return [4]float64{v[0], v[1], v[0] + v[2], v[1] + v[3]} },
	"cxcywh": func(v [4]float64) [4]float64 {
		return [4]float64{v[0] - v[2]/2, v[1] - v[3]/2, v[0] + v[2]/2, v[1] + v[3]/2}
	},
}

func area(b [4]float64) float64 { return max(b[2]-b[0], 0) * max(b[3]-b[1], 0) }

func iou(a, b [4]float64) float64 {
	both := area([4]float64{max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])})
	if union := area(a) + area(b) - both; union > 0 {
		return both / union
	}
	return 0
}

// detections are those of each item, the greatest scores first.
func detections(file *weights.File, boxes, scores, form string, least float64) [][]detection {
	b, s := array(file, boxes), array(file, scores)
	items := b.shape[0]
	count := len(b.x) / items / 4
	classes := len(s.x) / items / count
	inner := slices.DeleteFunc(slices.Clone(b.shape[1:]), func(d int) bool { return d == 1 })
	apart := form == "yolo" || len(inner) == 2 && inner[0] == 4 // [4,n], not [n,4]
	out := make([][]detection, items)
	for i := range items {
		var found []detection
		for k := range count {
			at := func(x []float32, e, per int) float64 {
				if apart {
					return float64(x[i*count*per+e*count+k])
				}
				return float64(x[i*count*per+k*per+e])
			}
			d := detection{score: at(s.x, 0, classes)}
			for c := 1; c < classes; c++ {
				if v := at(s.x, c, classes); v > d.score {
					d.class, d.score = c, v
				}
			}
			if d.score < least {
				continue
			}
			v := [4]float64{at(b.x, 0, 4), at(b.x, 1, 4), at(b.x, 2, 4), at(b.x, 3, 4)}
			if form == "yolo" {
				h, w := b.shape[2], b.shape[3]
				v[0], v[1] = (float64(k%w)+v[0])/float64(w), (float64(k/w)+v[1])/float64(h)
				d.corners = forms["cxcywh"](v)
			} else {
				d.corners = forms[form](v)
			}
			found = append(found, d)
		}
		slices.SortStableFunc(found, func(a, b detection) int { return cmp.Compare(b.score, a.score) })
		for _, d := range found {
			if !slices.ContainsFunc(out[i], func(o detection) bool { return d.class == o.class && iou(d.corners, o.corners) > same }) {
				out[i] = append(out[i], d)
			}
		}
	}
	return out
}

// match is the place of the best unused box of a detection's class, -1 where none is the same.
func match(d detection, others []detection, used map[int]bool) int {
	best, most := -1, 0.
	for j, o := range others {
		if v := iou(d.corners, o.corners); !used[j] && o.class == d.class && v >= same && v > most {
			best, most = j, v
		}
	}
	return best
}

func agreement(found, reference [][]detection) float64 {
	agree, total := 0, 0
	for i, own := range found {
		used := map[int]bool{}
		for _, d := range reference[i] {
			if j := match(d, own, used); j >= 0 {
				used[j] = true
				agree++
			}
		}
		total += len(own) + len(reference[i])
	}
	if total == 0 {
		return 1
	}
	return float64(2*agree) / float64(total)
}

func meanAveragePrecision(found, truth [][]detection) float64 {
	objects := map[int]int{} // of each class
	for _, item := range truth {
		for _, o := range item {
			objects[o.class]++
		}
	}
	if len(objects) == 0 {
		return 1
	}
	type ranked struct {
		detection
		item int
	}
	total := 0.
	for c := 0; c <= slices.Max(keys(objects)); c++ {
		if objects[c] == 0 {
			continue
		}
		var list []ranked
		for i, item := range found {
			for _, d := range item {
				if d.class == c {
					list = append(list, ranked{d, i})
				}
			}
		}
		slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(b.score, a.score) })
		used := make([]map[int]bool, len(found))
		var precisions []float64 // at each object that is found
		for n, d := range list {
			if used[d.item] == nil {
				used[d.item] = map[int]bool{}
			}
			if j := match(d.detection, truth[d.item], used[d.item]); j >= 0 {
				used[d.item][j] = true
				precisions = append(precisions, float64(len(precisions)+1)/float64(n+1))
			}
		}
		// The area below the precision, which is taken for the best at any greater recall.
		best, precision := 0., 0.
		for _, p := range slices.Backward(precisions) {
			best = max(best, p)
			precision += best / float64(objects[c])
		}
		total += precision
	}
	return total / float64(len(objects))
}

func keys(m map[int]int) (list []int) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

// numbers are an array of a file.
type numbers struct {
	shape []int
	x     []float32
}

func array(file *weights.File, name string) numbers {
	t, ok := file.Tensor(name)
	if !ok {
		log.Fatalf("no array %s, only %v", name, file.Names())
	}
	x, err := t.Float32()
	if err != nil {
		log.Fatal(err)
	}
	return numbers{t.Shape, x}
}

func open(path string) *weights.File {
	f, err := weights.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	return f
}

func main() {
	args := os.Args[1:]
	if len(args) < 6 || len(args) > 7 {
		log.Fatal("usage: detect agreement|map BOXES SCORES xyxy|yxyx|xywh|cxcywh|yolo [LEAST] answers.npz labels.npz")
	}
	mode, boxes, scores, form := args[0], args[1], args[2], args[3]
	if _, ok := forms[form]; !ok && form != "yolo" {
		log.Fatalf("no form %s", form)
	}
	least := .5
	if len(args) == 7 {
		var err error
		if least, err = strconv.ParseFloat(args[4], 64); err != nil {
			log.Fatal(err)
		}
	}
	answers, reference := open(args[len(args)-2]), open(args[len(args)-1])
	found := detections(answers, boxes, scores, form, least)
	prefix := "float."
	given := slices.DeleteFunc(slices.Clone(reference.Names()), func(s string) bool { return strings.HasPrefix(s, "float.") })
	if mode == "map" && len(given) > 0 {
		if !slices.Contains(given, boxes) || !slices.Contains(given, scores) {
			log.Fatalf("labels.npz has labels as %s, not as %s and %s", strings.Join(given, ", "), boxes, scores)
		}
		prefix, least = "", .5
	}
	truth := detections(reference, prefix+boxes, prefix+scores, form, least)
	switch mode {
	case "agreement":
		fmt.Println(agreement(found, truth))
	case "map":
		fmt.Println(meanAveragePrecision(found, truth))
	default:
		log.Fatalf("no mode %s: agreement or map", mode)
	}
}
