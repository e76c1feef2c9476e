package experiment

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/internal/markers"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/disturb"
)

func namesOf(list []*analysis) string {
	var names []string
	for _, a := range list {
		names = append(names, a.x.Name)
	}
	return enumerate(names)
}

func enumerate(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

func plural[N int | float64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%v %ss", n, what)
}

// width is a number of bits.
func width(bits float64) string { return plural(bits, "bit") }

// capital is a sentence from its first letter on.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// opening is the three sentences that a reader needs, and the summary for a document.
func opening(d *document, list []*analysis) error {
	first, err := compared(list)
	if err != nil {
		return err
	}
	d.Opening = []string{first, capital(won(list)), capital(spent(list))}
	d.Summary = table{Head: []string{judged(list...) + " kept"}}
	for _, a := range list {
		d.Summary.Head = append(d.Summary.Head, a.x.Name)
	}
	for _, m := range list[0].x.Methods {
		r := row(title(m))
		for _, a := range list {
			if k, _ := a.overall(m); k != nil && !math.IsNaN(k.Value) {
				r = append(r, figure{Text: fmt.Sprintf("%.4f", k.Value), Small: fmt.Sprintf("[%.4f, %.4f]", k.Low, k.High)})
			} else {
				r = append(r, none)
			}
		}
		d.Summary.Rows = append(d.Summary.Rows, r)
	}
	return nil
}

// compared says what was compared on what.
func compared(list []*analysis) (string, error) {
	x := list[0].x
	var methods, images []string
	least, most := math.Inf(1), 0.
	for _, a := range list {
		for _, b := range a.budgets() {
			least, most = min(least, b), max(most, b)
		}
		if n := fmt.Sprint(a.mat.images.N); !slices.Contains(images, n) {
			images = append(images, n)
		}
	}
	for _, m := range x.Methods {
		methods = append(methods, title(m))
	}
	conditions, err := disturb.Parse(x.Measured, list[0].mat.disturbed)
	if err != nil {
		return "", err
	}
	kinds := map[string]bool{}
	for _, c := range conditions {
		kinds[c.Name()] = true
	}
	bits := width(most)
	if least < most {
		bits = fmt.Sprintf("%g to %s", least, bits)
	}
	under := "clean"
	if len(conditions) > 0 {
		under += fmt.Sprintf(" and under %s of error at %s", plural(len(kinds), "kind"), plural(len(conditions), "size"))
	}
	return fmt.Sprintf("Compared: %s, each given the same bytes (%s a weight) on %s, measured on the same %s test images, %s, %s.",
		enumerate(methods), bits, namesOf(list), strings.Join(images, " or "), under, plural(len(x.Seeds), "seed")), nil
}

// won says how much more the first method keeps than the others: the mean over
// networks of the mean over budgets.
func won(list []*analysis) string {
	methods := list[0].x.Methods
	var kept Estimate // by the first
	var behind, level, ahead []string
	for i, m := range methods {
		var keeps, overs []Estimate
		for _, a := range list {
			if k, o := a.overall(m); k != nil {
				keeps, overs = append(keeps, *k), append(overs, *o)
			}
		}
		if len(keeps) == 0 && i == 0 {
			return title(m) + " has no network as small as the sizes that were asked for, and is compared with nothing."
		} else if len(keeps) == 0 {
			continue
		}
		over := mean(overs)
		switch by := fmt.Sprintf("%s by %.4f ± %s", title(m), math.Abs(over.Value), over.errorText(4)); {
		case i == 0:
			kept = mean(keeps)
		case over.Low > 0:
			ahead = append(ahead, by)
		case over.High < 0:
			behind = append(behind, by)
		default:
			f := signed(over)
			level = append(level, fmt.Sprintf("%s (%s %s)", title(m), f.Text, f.Small))
		}
	}
	var parts []string
	if len(ahead) > 0 {
		parts = append(parts, "more "+judged(list...)+" than "+enumerate(ahead))
	}
	if len(behind) > 0 {
		parts = append(parts, "less than "+enumerate(behind))
	}
	if len(level) > 0 {
		parts = append(parts, "as much as "+enumerate(level)+" within the error")
	}
	if math.IsNaN(kept.Value) {
		return "A float network answers none of the images rightly, so that there is nothing to keep."
	}
	in := "in the mean of networks and sizes"
	if len(parts) == 0 {
		return fmt.Sprintf("%s keeps %v of the float network's %s %s (± is one standard error).", title(methods[0]), kept, judged(list...), in)
	}
	return fmt.Sprintf("%s keeps %s; it keeps %v of the float network's %s (differences are paired by image, each over the sizes that both methods reach; ± is one standard error).",
		title(methods[0]), strings.Join(parts, ", "), kept, in)
}

// spent says what Q* saves, and where the networks answer as the float network.
func spent(list []*analysis) string {
	var parts []string
	if s := savingOf(list); s != nil {
		parts = append(parts, fmt.Sprintf("Q* keeps %v of what Qed keeps, with %.3f of its multiply-adds and %.3f of its evaluations in the mean", s.kept, s.macs, s.evaluations))
	}
	var agree []string
	for _, m := range list[0].x.Methods {
		var all []Estimate
		for _, a := range list {
			if e, ok := a.agreement(m); ok {
				all = append(all, e)
			}
		}
		if len(all) > 0 {
			e := mean(all)
			agree = append(agree, fmt.Sprintf("%s %.3f ± %s", title(m), e.Value, e.errorText(3)))
		}
	}
	if len(agree) > 0 {
		parts = append(parts, "on planes through three test images the answers agree with the float network's on this share of the points: "+enumerate(agree))
	}
	if len(parts) == 0 {
		parts = []string{"nothing was compared in effort or decision boundaries"}
	}
	return strings.Join(parts, "; ") + "."
}

// The marker lines around the summary in a document.
const (
	begin = "<!-- experiments: written by dnnc experiment -readme -->"
	end   = "<!-- end of experiments -->"
)

// refresh writes the summary into a document, RESULTS.md in this repository.
func refresh(path string, d *document) error {
	content := strings.Join(slices.Concat(d.Opening, d.Warnings), "\n") + "\n\n" + d.Summary.markdown() + "\n" + d.Origin + ", " + d.Day + "; mean over the sizes that a method reaches, with the interval that holds 95 of 100 resamples.\n"
	content = strings.NewReplacer("*", `\*`, "<", `\<`).Replace(content) // of Q*, and of names
	if err := markers.Refresh(path, begin, end, content); err != nil {
		return diag.New(diag.Pos{}, diag.BadFile, "-readme: %v", err)
	}
	return nil
}
