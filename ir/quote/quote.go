// Package quote writes names into the files of others: one function for each syntax.
// A name of a file or of a network may hold any character; a syntax that cannot
// express one refuses the name, and never gives it another meaning.
package quote

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// refuse says which character of a name a syntax cannot hold.
func refuse(name string, r rune, what string) error {
	return fmt.Errorf("%q holds %q, which %s cannot express", name, r, what)
}

// isControl reports characters that are no text: control characters, bytes that are no
// UTF-8, and the marks that reorder a line.
func isControl(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// Make is a path as target or prerequisite of a rule that GNU make, ninja and CMake read
// alike. What make takes for a recipe, a variable, a pattern, a wildcard, an archive or a
// special target has no spelling that all of them read, and is refused.
func Make(path string) (string, error) {
	const what = "a dependency file"
	var b strings.Builder
	for i, r := range path {
		switch {
		case r == ' ' || r == '#' || r == ':':
			b.WriteString(`\` + string(r))
		case r == '$':
			b.WriteString("$$")
		case isControl(r) || strings.ContainsRune("\\;|=%*?[]<>^`\"'&", r) || r == '~' && i == 0:
			return "", refuse(path, r, what)
		default:
			b.WriteRune(r)
		}
	}
	switch {
	case path == "":
		return "", errors.New("an empty name, which a dependency file cannot express")
	case strings.Contains(path, "(") && strings.HasSuffix(path, ")"): // a member of an archive
		return "", refuse(path, ')', what)
	case path[0] == '.' && strings.Trim(path[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" && len(path) > 1: // .PHONY
		return "", refuse(path, '.', what)
	case path[0] == ' ' || strings.HasSuffix(path, " "):
		return "", refuse(path, ' ', what)
	}
	return b.String(), nil
}

// CMake is text as a quoted argument of CMake's language, with the quotes. A semicolon
// would part a list later on.
func CMake(text string) (string, error) {
	var b strings.Builder
	for _, r := range text {
		switch {
		case isControl(r) || r == ';':
			return "", refuse(text, r, "CMake")
		case strings.ContainsRune(`"\$@`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`, nil
}

// PkgConfig is a word of a field of a pkg-config file. Its answers go through a shell, so
// that only characters without a meaning there are expressed.
func PkgConfig(word string) (string, error) {
	for _, r := range word {
		plain := r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("+-.,@/:", r)
		if !plain {
			return "", refuse(word, r, "a pkg-config file")
		}
	}
	return word, nil
}

// CComment is text inside a comment /* */ of C, on one line.
func CComment(text string) string {
	return strings.NewReplacer("*/", "* /", "/*", "/ *").Replace(Line(text))
}

// CString is a string of C with its quotes, without trigraphs.
func CString(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\' || c == '?':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

// Markdown is text as code inside a line of Markdown: no character of it begins a tag, a link or a
// span of its own.
func Markdown(text string) string {
	text = Line(text)
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if text == "" || strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " " // which readers take off again
	}
	return fence + text + fence
}

// Shell is a word of a POSIX shell's command line, as it is where nothing in it has a meaning.
func Shell(word string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_+-.,@%/:=", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Flag is a flag with its value, as words of a POSIX shell's command line: what a message proposes
// is there to be pasted.
func Flag(name, value string) string { return "-" + name + " " + Shell(value) }

// Text is a string of the network language with its quotes, which has no escapes.
func Text(s string) (string, error) {
	if i := strings.IndexAny(s, "\"\n\r"); i >= 0 {
		return "", refuse(s, rune(s[i]), "a string of a network's text")
	}
	return `"` + s + `"`, nil
}

// Line is text on one line for people: what a terminal would obey is written as an escape.
func Line(text string) string { return visible(text, func(rune) bool { return false }) }

// Lines is Line of text that has lines and tabs of its own.
func Lines(text string) string {
	return visible(text, func(r rune) bool { return r == '\n' || r == '\t' })
}

func visible(text string, keep func(rune) bool) string {
	if strings.IndexFunc(text, isControl) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == utf8.RuneError || !isControl(r) || keep(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
