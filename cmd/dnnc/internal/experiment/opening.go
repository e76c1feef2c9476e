package experiment

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
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

func plural(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// opening is the three sentences that a reader needs, and the summary for a README.
func opening(d *document, list []*analysis) error {
	first, err := compared(list)
	if err != nil {
		return err
	}
	d.Opening = []string{first, won(list), spent(list)}
	d.Summary = table{Head: []string{"robust accuracy kept"}}
	for _, a := range list {
		d.Summary.Head = append(d.Summary.Head, a.x.Name)
	}
	for _, m := range list[0].x.Methods {
		r := row(title(m))
		for _, a := range list {
			if k, _ := a.overall(m); k != nil {
				r = append(r, figure{Text: fmt.Sprintf("%.4f", k.Value), Small: fmt.Sprintf("[%.4f, %.4f]", k.Low, k.High)})
			} else {
				r = append(r, figure{Text: "-"})
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
	conditions, err := disturb.Parse(x.Measured)
	if err != nil {
		return "", err
	}
	kinds := map[string]bool{}
	for _, c := range conditions {
		kinds[c.Kind.Name] = true
	}
	bits := fmt.Sprintf("%g bits a weight", least)
	if least < most {
		bits = fmt.Sprintf("%g to %g bits a weight", least, most)
	}
	return fmt.Sprintf("Compared: %s, each given the same bytes (%s) on %s, measured on the same %s test images, clean and under %d kinds of error at %d sizes, %s.",
		enumerate(methods), bits, namesOf(list), strings.Join(images, " or "), len(kinds), len(conditions), plural(len(x.Seeds), "seed")), nil
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
		switch over := mean(overs); {
		case i == 0:
			kept = mean(keeps)
		case len(overs) == 0:
		case over.Low > 0:
			ahead = append(ahead, fmt.Sprintf("%s by %.4f ± %.4f", title(m), over.Value, over.StdErr))
		case over.High < 0:
			behind = append(behind, fmt.Sprintf("%s by %.4f ± %.4f", title(m), -over.Value, over.StdErr))
		default:
			level = append(level, fmt.Sprintf("%s (%+.4f ± %.4f)", title(m), over.Value, over.StdErr))
		}
	}
	var parts []string
	if len(ahead) > 0 {
		parts = append(parts, "more robust accuracy than "+enumerate(ahead))
	}
	if len(behind) > 0 {
		parts = append(parts, "less than "+enumerate(behind))
	}
	if len(level) > 0 {
		parts = append(parts, "as much as "+enumerate(level)+" within the error")
	}
	return fmt.Sprintf("%s keeps %s; it keeps %.4f ± %.4f of the float network's in the mean of networks and sizes (differences are paired by image, each over the sizes that both methods reach; ± is one standard error).",
		title(methods[0]), strings.Join(parts, ", "), kept.Value, kept.StdErr)
}

// spent says what Q* saves, and where the networks answer as the float network.
func spent(list []*analysis) string {
	var parts []string
	if s := savingOf(list); s != nil {
		parts = append(parts, fmt.Sprintf("Q* keeps %.4f ± %.4f of what Qed keeps, with %.3f of its multiply-adds and %.3f of its evaluations in the mean", s.kept.Value, s.kept.StdErr, s.macs, s.evaluations))
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
			agree = append(agree, fmt.Sprintf("%s %.3f ± %.3f", title(m), e.Value, e.StdErr))
		}
	}
	if len(agree) > 0 {
		parts = append(parts, "on planes through three test images the answers agree with the float network's on this share of the points: "+enumerate(agree))
	}
	if len(parts) == 0 {
		parts = []string{"Nothing was asked about effort or decision boundaries"}
	}
	s := strings.Join(parts, "; ") + "."
	return strings.ToUpper(s[:1]) + s[1:]
}

// The lines of a README between which the summary stands.
const (
	begin = "<!-- experiments: written by dnnc experiment -readme -->"
	end   = "<!-- end of experiments -->"
)

// refresh writes the summary into a README.
func refresh(path string, d *document) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadFile, "-readme: %v", err)
	}
	content := strings.Join(d.Opening, "\n") + "\n\n" + d.Summary.markdown() + "\n" + d.Origin + ", " + time.Now().UTC().Format(time.DateOnly) + "; mean over the sizes, with the interval that holds 95 of 100 resamples.\n"
	content = strings.ReplaceAll(content, "*", `\*`) // of Q*
	if text, err = markers.Replace(text, begin, end, content); err != nil {
		return diag.New(diag.Pos{}, diag.BadFile, "-readme %s: %v", path, err)
	}
	return driver.Replace(path, text)
}
