// Package mistake finds out that data cannot be meant: that a network answers as well as a
// constant, or that it answers significantly better where images or labels are read in
// another way that people often mistake for theirs.
package mistake

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Setup is what is looked at.
type Setup struct {
	Task      measure.Task
	Network   measure.Network // best the float one: integers saturate beyond their range
	Images    data.Batch      // with their labels
	Input     string          // name of the first input, whose elements the images are
	Low, High float32         // its declared range
	Seed      uint64          // of the items that are drawn
	MACs      int             // multiply-adds of one item
	// Quick looks at a quarter of the items first, and at all only where there is something to
	// report of these: for commands that run the network on few items otherwise.
	Quick bool
}

// The items that readings are tried on: a quarter at first, then all, then four times as
// many where none is better yet and some could be. Those that do worse are left out from
// then on. A large network is tried on fewer, at least on fewest.
const (
	items  = 512
	fewest = 64
	more   = 4
	effort = 6e11 // multiply-adds that readings may take in about
)

// promising is the probability below which a reading could be better.
const promising = .05

// worse is the probability below which a reading seems worse than the best one.
const worse = .15

// Report is what was found.
type Report struct {
	Chance  string   // the network answers no better than a constant: how well both do; "" of none
	Guess   bool     // nor better than a guess among the classes, however often each is right
	Finding *Finding // the reading that is better; nil of none
	Doubt   string   // of answers without labels: why they can hardly be meant; "" of nothing
}

// Finding is another reading under which a network answers significantly better.
type Finding struct {
	What     string // what the network does under which reading, and with data as given: "answers ..."
	Help     string // what mends it
	OfLabels bool   // the images are as they should be, the labels are not
}

// look is the state of one search for mistakes.
type look struct {
	Setup
	ctx    context.Context
	at     []int // places of the images that may be tried, in a random order
	labels []int // of a task that decides, of the images at these places
}

// attempt is a reading and what the network makes of it.
type attempt struct {
	reading
	odds    [][]float64
	answers []int
	right   []bool
	figures []figures // of a task that does not decide, by result
}

// figures are the items' shares of the measure of a result, and of its best constant answer.
type figures struct {
	name          string
	own, constant []float64
}

// Look tries the usual mistakes. Without labels, it compares how much answers tell.
func Look(ctx context.Context, s Setup) (Report, error) {
	n := items
	for n > fewest && float64(s.MACs)*float64(n)*3 > effort {
		n /= 2
	}
	if few := max(n/more, fewest); s.Quick {
		out, err := lookAt(ctx, s, few, few)
		if err != nil || out == (Report{}) {
			return out, err
		}
	}
	return lookAt(ctx, s, n, n*more)
}

// lookAt is Look on n of the items, and on most where n do not decide.
func lookAt(ctx context.Context, s Setup, n, most int) (Report, error) {
	l := &look{Setup: s, ctx: ctx, at: data.Draw(s.Images.N, most, s.Seed)}
	labelled := s.Task.Labelled(s.Images)
	isLabelled := slices.Contains(labelled, true)
	switch decides := s.Task.Decides("") == nil; {
	case decides && isLabelled:
		right := s.Task.Right(s.Images)
		for _, i := range l.at {
			l.labels = append(l.labels, right[i])
		}
		return l.decisions(n)
	case decides:
		return l.unlabelled(min(n/more, len(l.at)))
	}
	return l.measures(min(n, len(l.at)), isLabelled)
}

// readings are those of the images at hand, from the one that they are given in on.
func (l *look) readings() []*attempt {
	out := []*attempt{{reading: reading{name: "as given"}}}
	low, high := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, i := range l.at {
		x := l.Images.Image(i)[:l.Images.Pixels()]
		low, high = min(low, slices.Min(x)), max(high, slices.Max(x))
	}
	given := span{l.Low, l.High}
	for _, r := range readings(l.Input, given, hold(given, low, high), low < 0, l.Images.Levels, l.planes()) {
		out = append(out, &attempt{reading: r})
	}
	return out
}

// planes is those of the images; 0 of items that are none.
func (l *look) planes() int {
	if s := l.Images.Shape; len(s) == 3 && s[1] > 1 && s[2] > 1 {
		return s[0]
	}
	return 0
}

// portion is the images that are read at a time.
const portion = 64

// batch is some of the images as a reading has them.
func (l *look) batch(r *attempt, from, to int) data.Batch {
	b := l.Images.Pick(l.at[from:to])
	if r.at != nil {
		planes := max(l.planes(), 1)
		x := make([]float32, b.Pixels())
		for i := range b.N {
			image := b.Image(i)[:len(x)]
			r.reading.at(x, image, planes, len(x)/planes)
			copy(image, x)
		}
	}
	return b
}

// extend answers the images up to one as a reading has them.
func (l *look) extend(r *attempt, to int) error {
	to = min(to, len(l.at))
	for from := len(r.answers); from < to; from = len(r.answers) {
		b := l.batch(r, from, min(from+portion, to))
		y, err := l.Network(l.ctx, b.X, b.N)
		if err != nil {
			return err
		}
		r.odds = append(r.odds, l.Task.Odds(y, b.N)...)
		r.answers = append(r.answers, l.Task.Decisions(y, b.N)...)
	}
	if l.labels != nil {
		r.right = right(r.answers, l.labels, 0)
	}
	return nil
}

// better is the probability that one reading is as good as another where it seems better,
// of the items that both were tried on: by right answers, or where these do not speak for
// it, nor against it, by the probabilities of the labels.
func (l *look) better(r, than *attempt) (p float64, test string) {
	n := min(len(r.right), len(than.right))
	p, test = mcNemar(r.right[:n], than.right[:n]), "McNemar's test"
	if p >= significant && count(r.right[:n]) >= count(than.right[:n]) {
		if q := meanTest(logScores(r.odds[:n], l.labels), logScores(than.odds[:n], l.labels)); q < p {
			return q, "a paired test of the probabilities of the labels"
		}
	}
	return p, test
}

// isBetter reports a reading that is significantly better than the one as given, and than
// the best constant answer.
func (l *look) isBetter(r, given *attempt) bool {
	p, _ := l.better(r, given)
	return p < significant && l.isAboveConstant(r.right)
}

func (l *look) isAboveConstant(right []bool) bool {
	return mcNemar(right, constant(l.labels[:len(right)])) < significant
}

// decisions looks at labelled images of a task that decides.
func (l *look) decisions(n int) (out Report, err error) {
	tries := l.readings()
	given, others := tries[0], tries[1:]
	if err := l.extend(given, n); err != nil {
		return out, err
	}
	n = len(given.answers)
	sure := constant(l.labels[:n])
	if gap, se := gap(given.right, sure); n >= fewest/2 && gap <= chanceErrors*se {
		out.Chance = fmt.Sprintf("it answers %d of %d items as they are labelled, and the best constant answer %d", count(given.right), n, count(sure))
	}
	guess := 1 / float64(l.Task.Choices())
	out.Guess = out.Chance != "" && float64(count(given.right)) <= float64(n)*guess+chanceErrors*math.Sqrt(float64(n)*guess*(1-guess))
	if (n-count(given.right))*more < fewestErrors {
		return out, nil // nothing can be better
	}
	relabelled := l.relabelled(given, &out)
	var found *attempt
	for _, size := range []int{max(n/more, 1), n, min(n*more, len(l.at))} {
		if found != nil || len(others) == 0 || size > n && out.Finding != nil {
			break
		}
		if err := l.extend(given, size); err != nil {
			return out, err
		}
		best := given.first(size)
		for _, r := range others {
			if err := l.extend(r, size); err != nil {
				return out, err
			}
			if l.beats(r, best) {
				best = r
			}
		}
		others = slices.DeleteFunc(others, func(r *attempt) bool {
			if p, _ := l.better(best, r); p < worse {
				return true
			}
			p, _ := l.better(r, given)
			return size >= n && p >= promising
		})
		for _, r := range others {
			if size >= n && l.isBetter(r, given) && (found == nil || l.beats(r, found)) {
				found = r
			}
		}
	}
	if found != nil && (relabelled == nil || mcNemar(found.right[:n], relabelled) < significant) {
		p, test := l.better(found, given)
		k := len(found.right)
		out.Finding = &Finding{What: fmt.Sprintf("answers %d of %d items as they are labelled where the input has %s, and %d with the input as given (%s, %s)",
			count(found.right), k, found.name, count(given.right[:k]), test, probability(p)), Help: found.help}
	}
	return out, nil
}

// fewestErrors is the wrong answers below which no reading can be significantly better.
const fewestErrors = 14

// chanceErrors is the standard errors by which answers must be better than constant ones.
const chanceErrors = 2

// first is an attempt on the first items alone.
func (r *attempt) first(n int) *attempt {
	out := *r
	out.odds, out.answers, out.right = r.odds[:n], r.answers[:n], r.right[:n]
	return &out
}

// beats reports that one reading answers more items rightly than another, of those that
// both were tried on; of as many, that it gives labels greater probabilities.
func (l *look) beats(r, other *attempt) bool {
	n := min(len(r.right), len(other.right))
	if a, b := count(r.right[:n]), count(other.right[:n]); a != b {
		return a > b
	}
	return sum(logScores(r.odds[:n], l.labels)) > sum(logScores(other.odds[:n], l.labels))
}

func sum(list []float64) (s float64) {
	for _, v := range list {
		s += v
	}
	return s
}

// gap is the mean of a less that of b, and its paired standard error.
func gap(a, b []bool) (mean, se float64) {
	n, squares := float64(len(a)), 0.0
	mean = float64(count(a)-count(b)) / n
	for i := range a {
		d := -mean
		if a[i] {
			d++
		}
		if b[i] {
			d--
		}
		squares += float64(d * d)
	}
	return mean, math.Sqrt(squares / max(n-1, 1) / n)
}

// mostClasses bounds those of which a matching has enough items to tell anything.
const mostClasses = 64

// relabelled tries other labels with the answers to images as given, and returns which items
// are right with those that are better; nil of none.
func (l *look) relabelled(given *attempt, out *Report) (best []bool) {
	n, classes := len(given.answers), l.Task.Choices()
	labels := l.labels[:n]
	permuted, help := "permuted", permutation(matching(given.answers, labels, classes, func(int) bool { return true }))
	if classes == 2 {
		permuted, help = inverted, invertedHelp
	}
	try := func(is []bool, what, help string) {
		p := mcNemar(is, given.right)
		if p >= significant || !l.isAboveConstant(is) || best != nil && mcNemar(is, best) >= significant {
			return
		}
		best = is
		out.Finding = &Finding{What: fmt.Sprintf("answers %d of %d items as they are labelled where labels are %s, and %d with labels as given (McNemar's test, %s)",
			count(is), n, what, count(given.right), probability(p)), Help: help, OfLabels: true}
	}
	if classes > 2 {
		try(right(given.answers, labels, -1), fromOne, fromOneHelp)
		try(right(given.answers, labels, 1), tooLow, tooLowHelp)
	}
	if classes <= mostClasses {
		try(matched(given.answers, labels, classes), permuted, help)
	}
	return best
}

// probability is a p-value as it is printed.
func probability(p float64) string {
	const least = 1e-99
	if p < least {
		return fmt.Sprintf("p < %g", least)
	}
	return fmt.Sprintf("p = %.1g", p)
}

// permutation says which class each label stands for.
func permutation(to []int) string {
	text := "number the labels as the network does:"
	for class, label := range to {
		if class == label {
			continue
		}
		text += fmt.Sprintf(" %d is %d,", label, class)
	}
	return text[:len(text)-1]
}

// measures looks at a task that does not decide: by its own measure, against labels, or of a
// reconstruction against its input.
func (l *look) measures(n int, isLabelled bool) (out Report, err error) {
	tries := l.readings()
	given := tries[0]
	var answers []float32 // to the items as given
	network := func(ctx context.Context, x []float32, n int) ([]float32, error) {
		y, err := l.Network(ctx, x, n)
		if answers == nil {
			answers = y // all of them, as a rule
		} else {
			answers = append(slices.Clip(answers), y...)
		}
		return y, err
	}
	evaluate := func(r *attempt, network measure.Network) (err error) {
		r.figures, err = l.figures(l.batch(r, 0, n), network)
		return err
	}
	if !isLabelled {
		return l.unjudged(min(n, items/more))
	}
	if err := evaluate(given, network); err != nil {
		return out, judged(err)
	}
	for _, f := range given.figures {
		if d := differences(f.own, f.constant); n >= fewest/2 && sum(d)/float64(n) <= chanceErrors*stderr(d) && out.Chance == "" {
			out.Chance = fmt.Sprintf("the measure of the result %s is %.4f over %d items, and %.4f of the best constant answer", f.name, sum(f.own)/float64(n), n, sum(f.constant)/float64(n))
		}
	}
	relabelled, err := l.relabelledResult(given, answers, n, &out)
	if err != nil {
		return out, err
	}
	best := given
	for _, r := range tries[1:] {
		if err := evaluate(r, l.Network); judged(err) != nil {
			return out, err
		}
		for k, f := range r.figures {
			before := given.figures[k]
			p := meanTest(f.own, before.own)
			if p >= significant || meanTest(f.own, f.constant) >= significant || sum(f.own) <= sum(best.figures[k].own) {
				continue
			}
			if relabelled != nil && (relabelled.result != k || meanTest(f.own, relabelled.own) >= significant) {
				continue // another reading of the labels explains as much
			}
			best = r
			out.Finding = &Finding{What: fmt.Sprintf("has %.4f as the measure of the result %s over %d items where the input has %s, and %.4f with the input as given (paired test, %s)",
				sum(f.own)/float64(n), f.name, n, r.name, sum(before.own)/float64(n), probability(p)), Help: r.help}
		}
	}
	return out, nil
}

// figures are those of each result that a network gets on images.
func (l *look) figures(b data.Batch, network measure.Network) (list []figures, err error) {
	scores, err := measure.Robust(l.ctx, measure.Setup{Task: l.Task, Images: b}, network)
	if err != nil {
		return nil, err
	}
	for _, s := range scores[0].All() {
		list = append(list, figures{s.Result.Name, s.Kinds[0].Own[0], s.Kinds[0].Constant[0]})
	}
	return list, nil
}

// judged is an error other than that a measure is not defined of answers, which are no
// better for it.
func judged(err error) error {
	if d := (*diag.Diagnostic)(nil); errors.As(err, &d) {
		return nil
	}
	return err
}

// unjudged looks at items without labels, of a task that does not decide: whether answers
// depend on them, and of a reconstruction whether another reading leaves much less of them.
func (l *look) unjudged(n int) (out Report, err error) {
	var answers []float32
	left := func(r *attempt) ([]float64, error) { // of each item, as a share of its variance
		b := l.batch(r, 0, n)
		y, err := l.Network(l.ctx, b.X, b.N)
		if err != nil {
			return nil, err
		}
		answers = y
		size, list := b.Size(), make([]float64, b.N)
		if len(y) != len(b.X) {
			return list, nil
		}
		for i := range list {
			x, got := b.Image(i), y[i*size:(i+1)*size]
			mean, error, variance := 0.0, 0.0, 0.0
			for _, v := range x {
				mean += float64(v) / float64(size)
			}
			for k, v := range x {
				error += float64(float64(v-got[k]) * float64(v-got[k]))
				variance += float64((float64(v) - mean) * (float64(v) - mean))
			}
			list[i] = min(error/max(variance, math.SmallestNonzeroFloat64), mostLeft)
		}
		return list, nil
	}
	tries := l.readings()
	given, err := left(tries[0])
	if err != nil || n < fewest/2 {
		return out, err
	}
	size := len(answers) / n
	if !slices.ContainsFunc(answers, func(v float32) bool { return v != answers[0] }) || slices.Equal(answers[size:], answers[:len(answers)-size]) {
		out.Doubt = fmt.Sprintf("the answers to all %d items are the same", n)
	}
	if len(l.Task.Results) > 1 || l.Task.Results[0].Task != ir.Reconstruction || l.Images.Others > 0 {
		return out, nil
	}
	best := sum(given) / timesMore
	for _, r := range tries[1:] {
		got, err := left(r)
		if err != nil {
			return out, err
		}
		if s := sum(got); s < best && meanTest(given, got) < significant {
			best = s
			out.Doubt = fmt.Sprintf("the reconstruction of %d items leaves %.2f of their variance, and %.2f where the input has %s", n, sum(given)/float64(n), s/float64(n), r.name)
		}
	}
	return out, nil
}

// mostLeft bounds what an item's reconstruction leaves of its variance, so that no single
// item decides.
const mostLeft = 4

func differences(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

func stderr(list []float64) float64 {
	n, mean, squares := float64(len(list)), sum(list)/float64(len(list)), 0.0
	for _, v := range list {
		squares += float64((v - mean) * (v - mean))
	}
	return math.Sqrt(squares / max(n-1, 1) / n)
}

// What answers without labels tell is the information that an answer has of its item: the
// entropy of the mean probabilities less the mean entropy, in nats. Another reading is told
// where it has this much more.
const (
	timesMore = 2
	natsMore  = .3
	noNats    = .05 // of answers that hardly depend on the item
)

// unlabelled looks at images without labels, of a task that decides: it can only doubt.
func (l *look) unlabelled(n int) (out Report, err error) {
	tries := l.readings()
	given := tries[0]
	if err := l.extend(given, n); err != nil || n < fewest/2 {
		return out, err
	}
	isConstant := slices.Max(given.answers) == slices.Min(given.answers)
	if isConstant {
		out.Doubt = fmt.Sprintf("all %d answers are %d", n, given.answers[0])
	}
	has := information(given.odds)
	best := max(timesMore*has, has+natsMore)
	for _, r := range tries[1:] {
		if err := l.extend(r, n); err != nil {
			return out, err
		}
		// Greater reals alone make a network surer of the same answers.
		isMore := !slices.Equal(r.answers, given.answers) && (isConstant || has < noNats || sureness(r.odds) < mostSure)
		if x := information(r.odds); x > best && isMore {
			best = x
			out.Doubt = fmt.Sprintf("answers to %d items have %.2f nats of information each, and %.2f where the input has %s", n, has, x, r.name)
			if isConstant {
				out.Doubt = fmt.Sprintf("all %d answers are %d, and they vary where the input has %s", n, given.answers[0], r.name)
			}
		}
	}
	return out, nil
}

// mostSure is the mean of the greatest probabilities from which on a network is surer of
// answers than any that was trained is.
const mostSure = .999

func probabilities(odds []float64) []float64 {
	top, all := slices.Max(odds), 0.0
	out := make([]float64, len(odds))
	for i, v := range odds {
		out[i] = math.Exp(v - top)
		all += out[i]
	}
	for i := range out {
		out[i] /= all
	}
	return out
}

func entropy(p []float64) (h float64) {
	for _, v := range p {
		if v > 0 {
			h -= float64(v * math.Log(v))
		}
	}
	return h
}

func information(odds [][]float64) float64 {
	mean, each := make([]float64, len(odds[0])), 0.0
	for _, list := range odds {
		p := probabilities(list)
		each += entropy(p) / float64(len(odds))
		for i, v := range p {
			mean[i] += v / float64(len(odds))
		}
	}
	return entropy(mean) - each
}

func sureness(odds [][]float64) (mean float64) {
	for _, list := range odds {
		mean += slices.Max(probabilities(list)) / float64(len(odds))
	}
	return mean
}
