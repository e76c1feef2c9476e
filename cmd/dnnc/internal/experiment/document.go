package experiment

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/ir/quote"
)

// document is a report: what HTML and plain text are made of.
type document struct {
	Title     string
	Opening   []string // three sentences
	Warnings  []string
	Explorers []explorer // of a page alone
	Sections  []section
	Summary   table  // for RESULTS.md
	Origin    string // the command
	Day       string // on which the last cell was answered
}

type section struct {
	ID, Title string
	Text      []string
	Legend    []legend
	Tables    []table
	Pictures  []picture
}

// legend is an entry of a legend.
type legend struct {
	Sample template.HTML
	Name   string
}

// picture is a drawing, the table after it, and what it shows.
type picture struct {
	SVG     template.HTML
	Caption string
	Table   *table
}

// table has a row of heads and rows as long; the first column names them.
type table struct {
	Caption string
	Head    []string
	Rows    [][]figure
	Folded  bool // shown when it is asked for
}

// figure is what stands in a table: with what it is uncertain by, small.
type figure struct {
	Text, Small string
	Strong      bool
}

func row(list ...string) (out []figure) {
	for _, s := range list {
		out = append(out, figure{Text: s})
	}
	return out
}

// none stands where there is no figure.
var none = figure{Text: "-"}

// of is an estimate with its standard error.
func of(e Estimate) figure {
	if math.IsNaN(e.Value) {
		return none // a share of nothing
	}
	return figure{Text: fmt.Sprintf("%.4f", e.Value), Small: "± " + e.errorText(4)}
}

// signed is a difference with its standard error, strong where it is told from 0.
func signed(e Estimate) figure {
	f := of(e)
	if math.IsNaN(e.Value) {
		return f
	}
	if f.Text = fmt.Sprintf("%+.4f", e.Value); strings.Trim(f.Text, "+-0.") == "" {
		f.Text = "0.0000" // without the sign of what was rounded off
	}
	f.Strong = e.isTold(0)
	return f
}

// errorText is the standard error with so many digits after the point.
func (e Estimate) errorText(digits int) string {
	if math.IsNaN(e.StdErr) {
		return "unknown"
	}
	return fmt.Sprintf("%.*f", digits, e.StdErr)
}

// String is the figure in a sentence.
func (e Estimate) String() string {
	if math.IsNaN(e.Value) {
		return "-"
	}
	return fmt.Sprintf("%.4f ± %s", e.Value, e.errorText(4))
}

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Parse(page))

// add appends a section that shows anything.
func (d *document) add(s section) {
	if len(s.Pictures) > 0 || len(s.Tables) > 0 {
		d.Sections = append(d.Sections, s)
	}
}

// html writes the document as one page that refers to nothing outside of it.
func (d *document) html(w io.Writer) error { return pageTemplate.Execute(w, d) }

// text writes what the document says without its pictures.
func (d *document) text(out io.Writer) {
	fmt.Fprintf(out, "%s\n\n%s\n", d.Title, strings.Join(d.Opening, "\n"))
	for _, s := range d.Warnings {
		fmt.Fprintf(out, "\n%s\n", s)
	}
	for _, s := range d.Sections {
		fmt.Fprintf(out, "\n== %s\n", s.Title)
		for _, p := range s.Text {
			fmt.Fprintln(out, p)
		}
		for _, t := range s.Tables {
			t.text(out)
		}
		for _, p := range s.Pictures {
			fmt.Fprintf(out, "\n[picture] %s\n", p.Caption)
			if p.Table != nil {
				p.Table.text(out)
			}
		}
	}
}

func (t *table) text(out io.Writer) {
	fmt.Fprintf(out, "\n%s\n", t.Caption)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, strings.Join(t.Head, "\t")+"\t")
	for _, row := range t.Rows {
		for _, f := range row {
			fmt.Fprint(w, strings.TrimSpace(f.Text+" "+f.Small)+"\t")
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

// markdown is a table in Markdown.
func (t *table) markdown() string {
	var b strings.Builder
	line := func(cells []string) {
		b.WriteString("|")
		for _, c := range cells {
			b.WriteString(" " + strings.ReplaceAll(quote.Line(c), "|", `\|`) + " |")
		}
		b.WriteString("\n")
	}
	line(t.Head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat(" --- |", len(t.Head)))
	for _, row := range t.Rows {
		var cells []string
		for _, f := range row {
			cells = append(cells, strings.TrimSpace(f.Text+" "+f.Small))
		}
		line(cells)
	}
	return b.String()
}
