package experiment

import (
	"context"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// entrant is a network of an experiment, how it was chosen and what was measured.
type entrant struct {
	method    string
	variant   string // of an ablation
	bits      float64
	seed      uint64
	effort    float64 // of Q* and Qed with little: share of Qed's table
	choice    *cell   // nil of the float network
	chosen    *chosen // nil of the float network
	ship      shipped
	score     *cell
	scored    *scored
	result    *measure.Score // of scored, once it was unpacked; nil of none
	distances []*cell        // by kind of Boundary
	proved    *cell          // nil where nothing is
}

// isNone reports that the method has nothing as small as the budget.
func (e *entrant) isNone() bool { return e.chosen != nil && e.chosen.None }

// step is work that is done at a stretch: one cell, or several that share images.
type step struct {
	what   string
	seed   uint64
	cells  []*cell
	weight float64 // expected work, in multiply-adds
	run    func(ctx context.Context, l *lab, todo []*cell, show func(done, total int)) error
}

// study is an experiment laid out: its networks by what they are asked for, and the
// steps that answer all of it.
type study struct {
	x        *Experiment
	mat      *material
	part     int          // of several results the one that an analysis is of
	exact    []*entrant   // the float network, by seed
	trials   [][]*entrant // methods at budgets, by seed
	efforts  [][]*entrant // by seed
	ablation [][]*entrant // by seed
	planes   []*cell      // of the first seed
	planeOf  []*entrant
	explored []explored // of the first seed; none of an experiment
	samples  *cell      // likewise
	steps    []*step

	choices map[string]*cell
	scores  map[string]*cell
	table   map[string]bool // settings whose table a step before measures
}

// atOnce is the networks that are measured on the same disturbed images in one step:
// disturbing costs as much as a network.
const atOnce = 6

// lay lays an experiment out.
func lay(x *Experiment, mat *material) (*study, error) {
	s := &study{x: x, mat: mat, choices: map[string]*cell{}, scores: map[string]*cell{}, table: map[string]bool{}}
	for i, seed := range x.Seeds {
		if err := s.seed(i, seed); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *study) seed(i int, seed uint64) error {
	x := s.x
	var errs firstError
	exact := errs.entrant(s.enter(entrant{method: floatMethod, seed: seed}, x.setting(), x.setting(), ""))
	s.exact = append(s.exact, exact)
	var trials, efforts, ablation []*entrant
	detail := x.Budgets
	if !slices.Contains(detail, x.Detail) {
		detail = append(slices.Clone(detail), x.Detail)
		slices.Sort(detail)
	}
	for _, bits := range detail {
		var group []*entrant
		for _, m := range x.Methods {
			group = append(group, errs.entrant(s.enter(entrant{method: m, bits: bits, seed: seed}, x.setting(), x.setting(), "")))
		}
		trials = append(trials, group...)
		s.ask(width(bits), append([]*entrant{exact}, group...))
	}
	for _, share := range x.Efforts {
		efforts = append(efforts, errs.entrant(s.enter(entrant{method: "qstar", bits: x.Detail, seed: seed, effort: share}, x.setting(), x.setting(), "")))
	}
	for _, judged := range x.JudgedEfforts {
		little := x.setting()
		little.Judged = judged
		efforts = append(efforts, errs.entrant(s.enter(entrant{method: "qed", bits: x.Detail, seed: seed, effort: 1}, little, x.setting(), "")))
	}
	s.ask("efforts", efforts)
	for _, bits := range x.AblationBudgets {
		group, err := s.ablate(bits, seed)
		if err != nil {
			return err
		}
		s.ask("ablation at "+width(bits), group)
		ablation = append(ablation, group...)
	}
	s.trials, s.efforts, s.ablation = append(s.trials, trials), append(s.efforts, efforts), append(s.ablation, ablation)
	if errs.err != nil || i > 0 {
		return errs.err
	}
	if err := s.look(exact, trials, seed); err != nil || !x.Explore {
		return err
	}
	return s.explore(exact, trials, seed)
}

// firstError keeps the first of several errors.
type firstError struct{ err error }

func (f *firstError) entrant(e *entrant, err error) *entrant {
	if f.err == nil {
		f.err = err
	}
	return e
}

// enter makes an entrant of what is set, with its cells.
func (s *study) enter(e entrant, choose, ship setting, objective string) (*entrant, error) {
	var err error
	ship.Judged, ship.Formats, ship.MinBits, ship.MaxBits = 0, nil, 0, 0
	e.ship = shipped{Setting: ship, Module: s.mat.hash, Test: s.mat.test, Seed: e.seed}
	if e.method != floatMethod {
		q := &choice{
			Version: Version, Search: robust.Version, Network: s.mat.module.Name, Module: s.mat.hash, Calibration: s.mat.calib,
			Seed: e.seed, Setting: choose, Method: e.method, Objective: objective, Bits: e.bits, Task: s.mat.taskOf(),
		}
		if e.method == "qstar" {
			q.Effort = e.effort
		}
		if e.choice, err = known(s.choices, "choice", q, &chosen{}); err != nil {
			return nil, err
		}
		e.ship.Choice, e.chosen = e.choice.key, e.choice.answer.(*chosen)
	}
	q := &score{Version: Version, Network: e.ship, Measured: s.x.Measured, Images: s.x.TestImages, Task: s.mat.taskOf()}
	if e.score, err = known(s.scores, "score", q, &scored{}); err != nil {
		return nil, err
	}
	e.scored = e.score.answer.(*scored)
	return &e, nil
}

// known is the cell of a question, the same for the same question.
func known(cells map[string]*cell, kind string, question, answer any) (*cell, error) {
	c, err := newCell(kind, question, answer)
	if err != nil {
		return nil, err
	}
	if old := cells[c.key]; old != nil {
		return old, nil
	}
	cells[c.key] = c
	return c, nil
}

// ask adds the steps that choose and measure networks, but those that steps have
// already.
func (s *study) ask(what string, list []*entrant) {
	var open []*entrant
	for _, e := range list {
		if e.choice != nil && !s.has(e.choice) {
			q := e.choice.question.(*choice)
			s.steps = append(s.steps, &step{
				what: fmt.Sprintf("%s, %s by %s", s.x.Name, what, e.method+and(e.variant)), seed: e.seed, cells: []*cell{e.choice}, weight: s.weightOf(q),
				run: func(ctx context.Context, l *lab, _ []*cell, _ func(int, int)) error {
					return l.choose(ctx, q, e.chosen)
				},
			})
		}
		if !s.has(e.score) && !slices.ContainsFunc(open, func(o *entrant) bool { return o.score == e.score }) {
			open = append(open, e)
		}
	}
	conditions, _ := disturb.Parse(s.x.Measured, s.mat.disturbed) // read before
	for group := range slices.Chunk(open, atOnce) {
		var cells []*cell
		for _, e := range group {
			cells = append(cells, e.score)
		}
		s.steps = append(s.steps, &step{
			what: fmt.Sprintf("%s, %s, measuring", s.x.Name, what), seed: group[0].seed, cells: cells,
			weight: float64(s.mat.macs) * float64((1+len(conditions))*s.x.TestImages) * float64(1+len(group)),
			run: func(ctx context.Context, l *lab, todo []*cell, show func(int, int)) error {
				var list []*entrant
				for _, e := range group {
					if e.isNone() {
						*e.scored = scored{None: true}
					} else if slices.Contains(todo, e.score) {
						list = append(list, e)
					}
				}
				if len(list) == 0 {
					return nil
				}
				return l.measure(ctx, list, show)
			},
		})
	}
}

func and(variant string) string {
	if variant == "" {
		return ""
	}
	return ", " + variant
}

func (s *study) has(c *cell) bool {
	return slices.ContainsFunc(s.steps, func(t *step) bool { return slices.Contains(t.cells, c) })
}

// What a choice takes, in evaluations of the network, for the estimate of the time
// left: rounding a layer or a network is as much work as some evaluations (on VGG-16).
const (
	roundOne   = 300
	roundWhole = 1500
)

func (s *study) weightOf(q *choice) float64 {
	judged := float64(q.Setting.Judged)
	table := float64(s.mat.formats) * (judged/2 + roundOne)
	wholes := 3.
	switch q.Method {
	case "qstar":
		table *= max(q.Effort, .5) // two formats of each layer at least
	case "qed", planMethod, "greedy":
		key := fmt.Sprint(q.Setting, q.Seed)
		if s.table[key] {
			table = 0
		}
		s.table[key] = true
		if q.Method == "qed" {
			wholes = 10
		}
		if q.Objective == robust.BoundaryObjective {
			table = float64(s.mat.formats) * 2 * (judged/2 + roundOne)
		}
	default:
		table = 0
	}
	return (table + wholes*(judged+roundWhole)) * float64(s.mat.macs)
}

// prove adds what is proved of networks beside what is measured. The float network has no integers.
func (s *study) prove(list []*entrant, seed uint64) error {
	x := s.x
	if x.Proved == 0 {
		return nil
	}
	for _, e := range list {
		if e.method == floatMethod {
			continue
		}
		q := &sides{Version: Version, Network: e.ship, Errors: x.Measured, Images: x.Proved, Task: s.mat.taskOf()}
		c, err := newCell("proved", q, &besides{})
		if err != nil {
			return err
		}
		e.proved = c
		s.steps = append(s.steps, &step{
			what: fmt.Sprintf("%s, proof of %s", x.Name, e.method), seed: seed, cells: []*cell{c},
			weight: 100 * float64(x.Proved) * float64(s.mat.macs),
			run: func(ctx context.Context, l *lab, _ []*cell, show func(int, int)) error {
				if e.isNone() {
					*c.answer.(*besides) = besides{None: true}
					return nil
				}
				return l.prove(ctx, q, e.chosen, c.answer.(*besides), show)
			},
		})
	}
	return nil
}

// look adds the boundary distances and the decision planes of the first seed.
func (s *study) look(exact *entrant, trials []*entrant, seed uint64) error {
	x := s.x
	list := []*entrant{exact}
	for _, e := range trials {
		if e.bits == x.Detail && e.method != "qstar" {
			list = append(list, e)
		}
	}
	for _, kind := range x.Boundary {
		for _, e := range list {
			q := &boundary{Version: Version, Network: e.ship, Kind: kind, Images: x.BoundaryImages}
			c, err := newCell("boundary", q, &distanced{})
			if err != nil {
				return err
			}
			e.distances = append(e.distances, c)
			s.steps = append(s.steps, &step{
				what: fmt.Sprintf("%s, boundary under %s, %s", x.Name, kind, e.method), seed: seed, cells: []*cell{c},
				weight: 14 * float64(x.BoundaryImages) * float64(s.mat.macs),
				run: func(ctx context.Context, l *lab, _ []*cell, show func(int, int)) error {
					if e.isNone() {
						*c.answer.(*distanced) = distanced{None: true}
						return nil
					}
					return l.distances(ctx, q, e.chosen, c.answer.(*distanced), show)
				},
			})
		}
	}
	s.planeOf = list
	if err := s.prove(list, seed); err != nil {
		return err
	}
	for number := range x.Planes {
		q := &plane{Version: Version, Number: number, Points: x.PlanePoints, Images: x.TestImages}
		for _, e := range list {
			q.Networks = append(q.Networks, e.ship)
		}
		c, err := newCell("plane", q, &planed{})
		if err != nil {
			return err
		}
		s.planes = append(s.planes, c)
		s.steps = append(s.steps, &step{
			what: fmt.Sprintf("%s, decision plane %d", x.Name, number+1), seed: seed, cells: []*cell{c},
			weight: float64(x.PlanePoints*x.PlanePoints*len(list)) * float64(s.mat.macs),
			run: func(ctx context.Context, l *lab, _ []*cell, show func(int, int)) error {
				return l.draw(ctx, q, list, c.answer.(*planed), show)
			},
		})
	}
	return nil
}

// reference is the variant of an ablation that the others are compared with: widths by
// the divergence under errors, rounding on images under errors.
const reference = "divergence under errors"

// ablate is the networks of the ablations at one budget.
func (s *study) ablate(bits float64, seed uint64) (list []*entrant, err error) {
	x := s.x
	full := x.setting()
	clean := full
	clean.Errors = "none"
	add := func(variant, method, objective string, choose, ship setting) {
		e, e2 := s.enter(entrant{method: method, variant: variant, bits: bits, seed: seed}, choose, ship, objective)
		list = append(list, e)
		if err == nil {
			err = e2
		}
	}
	kl := s.mat.task.Divergence()
	add(reference, planMethod, kl, full, full)
	for _, question := range x.Ablation {
		switch question {
		case "objectives":
			add("squared error of the logits", planMethod, "squared error", full, full)
			add("answers that flip", planMethod, "flips", full, full)
			add("divergence on clean images of the same table", planMethod, measure.Clean, full, full)
			conditions, _ := disturb.Parse(x.Errors, s.mat.disturbed) // read before
			for i, c := range conditions {
				if i == 0 || !conditions[i-1].SameKind(c) {
					add("divergence under "+c.Name()+" alone", planMethod, c.Name(), full, full)
				}
			}
		case "boundary":
			if s.mat.task.Decides("") != nil {
				continue
			}
			add("boundary distance", planMethod, robust.BoundaryObjective, full, full)
		case "errors":
			add("widths and rounding on clean images", planMethod, kl, clean, clean)
			add("widths on clean images, rounding under errors", planMethod, kl, clean, full)
			add("widths under errors, rounding on clean images", planMethod, kl, full, clean)
			add("universal under errors", "universal", "", full, full)
			add("universal on clean images", "universal", "", clean, clean)
		case "ranges":
			for _, r := range pass.Ranges[1:] {
				other := full
				other.Ranges = r
				add("ranges of activations: "+r, planMethod, kl, full, other)
			}
		case "images":
			for _, n := range x.FewImages {
				few := full
				few.Images = n
				add(fmt.Sprintf("rounded on %d images", n), planMethod, kl, full, few)
			}
		}
	}
	return list, err
}
