// Package manual writes the man page, the tables of cmd/dnnc/README.md and the shells'
// completions from the table of commands and the flag sets.
package manual

import (
	"flag"
	"fmt"
	"slices"
	"strings"
)

// Command is a word after dnnc.
type Command struct{ Name, Usage, Doc string }

// Manual is all commands and flags.
type Manual struct {
	Commands []Command
	Flags    *flag.FlagSet
	Values   map[string][]string        // of the flags that take one of a few words
	Having   func(flag string) []string // the commands that have a flag
}

// flags are the flags by name; a value is "" of those that take none.
func (m *Manual) flags() (list []*flag.Flag, value map[string]string) {
	value = map[string]string{}
	m.Flags.VisitAll(func(f *flag.Flag) {
		list = append(list, f)
		name, _ := flag.UnquoteUsage(f)
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
			name = ""
		}
		value[f.Name] = name
	})
	return list, value
}

// isFile reports whether a flag takes the path of a file or folder.
func isFile(value string) bool { return value == "file" || value == "folder" || value == "network" }

// Man is a page for man(1), section 1.
func (m *Manual) Man() string {
	var b strings.Builder
	roff := strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace
	line := func(s string) {
		if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
			b.WriteString(`\&`)
		}
		b.WriteString(s + "\n")
	}
	b.WriteString(".TH DNNC 1\n.SH NAME\ndnnc \\- compile a deep neural network for an embedded processor\n.SH SYNOPSIS\n")
	for _, c := range m.Commands {
		fmt.Fprintf(&b, ".br\n.B dnnc %s\n%s\n", c.Name, roff(c.Usage))
	}
	b.WriteString(".SH COMMANDS\n")
	for _, c := range m.Commands {
		fmt.Fprintf(&b, ".TP\n.B %s\n", c.Name)
		line(roff(c.Doc))
	}
	b.WriteString(".SH OPTIONS\nFlags and files come in any order. An argument @file stands for the arguments in the file.\n")
	list, value := m.flags()
	for _, f := range list {
		_, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, ".TP\n.B \\-%s", roff(f.Name))
		if value[f.Name] != "" {
			fmt.Fprintf(&b, " \\fI%s\\fR", roff(value[f.Name]))
		}
		b.WriteByte('\n')
		line(roff(usage + defaultOf(f)))
	}
	b.WriteString(".SH EXIT STATUS\n0: done. 1: the input is at fault. 2: bad usage. 3: an internal error.\n")
	return b.String()
}

// defaultOf is the default of a flag as its text ends, "" where it is empty or zero.
func defaultOf(f *flag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "0s":
		return ""
	}
	return " (default " + f.DefValue + ")"
}

// Markdown is a table of the commands and a table of the flags.
func (m *Manual) Markdown() string {
	var b strings.Builder
	cell := strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "\n", " ").Replace
	code := func(s string) string { return "`" + strings.ReplaceAll(strings.TrimSpace(s), "|", `\|`) + "`" }
	b.WriteString("| command | what it does |\n| --- | --- |\n")
	for _, c := range m.Commands {
		fmt.Fprintf(&b, "| %s | %s |\n", code("dnnc "+c.Name+" "+c.Usage), cell(c.Doc))
	}
	b.WriteString("\n| flag | meaning | commands |\n| --- | --- | --- |\n")
	list, value := m.flags()
	for _, f := range list {
		_, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", code("-"+f.Name+" "+value[f.Name]), cell(usage+defaultOf(f)), strings.Join(m.Having(f.Name), " "))
	}
	return b.String()
}

// Shells are those that Completion knows.
var Shells = []string{"bash", "zsh", "fish"}

// Completion is a script for a shell.
func (m *Manual) Completion(shell string) string {
	switch shell {
	case "bash":
		return m.bash()
	case "zsh":
		return m.zsh()
	}
	return m.fish()
}

func (m *Manual) words() string {
	var words []string
	for _, c := range m.Commands {
		words = append(words, c.Name)
	}
	return strings.Join(words, " ")
}

// arguments are the flags that take one: those of known values as cases of a shell,
// which format makes of a name and its values, those of files, and the others.
func (m *Manual) arguments(format string) (cases string, files, none []string) {
	list, value := m.flags()
	for _, f := range list {
		switch {
		case len(m.Values[f.Name]) > 0:
			cases += fmt.Sprintf(format, f.Name, strings.Join(m.Values[f.Name], " "))
		case isFile(value[f.Name]):
			files = append(files, "-"+f.Name)
		case value[f.Name] != "":
			none = append(none, "-"+f.Name)
		}
	}
	return cases, files, none
}

func (m *Manual) bash() string {
	list, _ := m.flags()
	var names []string
	for _, f := range list {
		names = append(names, "-"+f.Name)
	}
	cases, files, none := m.arguments("    -%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n")
	slices.Sort(files)
	return fmt.Sprintf(`_dnnc() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  case $prev in
%s    %s) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    %s) return ;;
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W '%s' -- "$cur")) ;;
    *) COMPREPLY=($(compgen -f -- "$cur"))
       [ "$COMP_CWORD" -eq 1 ] && COMPREPLY+=($(compgen -W '%s' -- "$cur")) ;;
  esac
}
complete -o filenames -F _dnnc dnnc
`, cases, strings.Join(files, "|"), strings.Join(none, "|"), strings.Join(names, " "), m.words())
}

// zsh is a file of a folder in fpath, whose text runs when it is first asked, or one
// to be sourced.
func (m *Manual) zsh() string {
	quote := func(word, doc string) string {
		doc = strings.ReplaceAll(doc, "'", `'\''`)
		return "    '" + strings.ReplaceAll(word, ":", `\:`) + ":" + doc + "'\n"
	}
	list, _ := m.flags()
	var commands, flags strings.Builder
	for _, c := range m.Commands {
		commands.WriteString(quote(c.Name, c.Doc))
	}
	for _, f := range list {
		_, usage := flag.UnquoteUsage(f)
		flags.WriteString(quote("-"+f.Name, usage))
	}
	cases, files, none := m.arguments("    -%s) compadd -- %s; return ;;\n")
	return fmt.Sprintf(`#compdef dnnc
_dnnc() {
  local -a commands flags
  commands=(
%s  )
  flags=(
%s  )
  case $words[CURRENT-1] in
%s    %s) _files; return ;;
    %s) return ;;
  esac
  if [[ $words[CURRENT] == -* ]]; then
    _describe -o flag flags
    return
  fi
  _files
  (( CURRENT == 2 )) && _describe command commands
}
if [[ $funcstack[1] == _dnnc ]]; then
  _dnnc "$@"
else
  compdef _dnnc dnnc
fi
`, commands.String(), flags.String(), cases, strings.Join(files, "|"), strings.Join(none, "|"))
}

func (m *Manual) fish() string {
	var b strings.Builder
	quote := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
	}
	for _, c := range m.Commands {
		fmt.Fprintf(&b, "complete -c dnnc -n __fish_use_subcommand -a %s -d %s\n", c.Name, quote(c.Doc))
	}
	list, value := m.flags()
	for _, f := range list {
		_, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "complete -c dnnc -o %s -d %s", f.Name, quote(usage))
		switch {
		case len(m.Values[f.Name]) > 0:
			fmt.Fprintf(&b, " -x -a %s", quote(strings.Join(m.Values[f.Name], " ")))
		case isFile(value[f.Name]):
			b.WriteString(" -r")
		case value[f.Name] != "":
			b.WriteString(" -x")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
