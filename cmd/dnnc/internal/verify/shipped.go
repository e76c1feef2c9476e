package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/emu"
	"github.com/dnnc/dnnc/runtime/proof"
)

// proved is an output of a build that is what its certificate says.
type proved struct {
	again   *driver.Rebuilt
	proof   *certificate.Proof // that the certificate carries; nil of none
	kind    string             // as -emit names it
	object  []byte             // the file
	unknown string             // why it is not what the certificate describes; "" of one that is
}

// Shipped proves an output of a build and returns the build, done again: see dnnc verify.
func Shipped(ctx context.Context, o driver.Options, out, messages io.Writer) (*driver.Rebuilt, error) {
	p, err := prove(ctx, o, out, messages)
	if err != nil {
		return nil, err
	}
	return p.again, nil
}

// prove holds an output of a build, which lies beside its header and its certificate, to
// what is built again as the certificate says: that takes no search. All bytes must be equal,
// unless -run-unknown says otherwise.
func prove(ctx context.Context, o driver.Options, out, messages io.Writer) (*proved, error) {
	path := o.Input
	object, err := driver.ReadShipped(path)
	if err != nil {
		return nil, err
	}
	certPath, c, err := Certificate(path)
	if err != nil {
		return nil, err
	}
	entry := slices.IndexFunc(c.Outputs, func(p certificate.Output) bool { return p.Name == filepath.Base(path) })
	if entry < 0 {
		return nil, failed(certPath, "the certificate lists no output %s", filepath.Base(path)).
			WithNote("it lists %s", strings.Join(names(c.Outputs), " ")).WithHelp("give the file the name that it was built under")
	}
	described := c.Outputs[entry]
	for _, kind := range []string{certificate.Header, certificate.Weights} {
		p := c.Output(kind)
		if p == nil {
			continue
		}
		file := filepath.Join(filepath.Dir(path), p.Name)
		raw, err := driver.ReadShipped(file)
		var d *diag.Diagnostic
		if errors.As(err, &d) {
			return nil, d.WithNote("the %s of %s, by its certificate", kind, filepath.Base(path))
		}
		if certificate.SHA256(raw) != p.SHA256 {
			return nil, failed(file, "not the %s that %s describes: its sha256 is %.12s", kind, filepath.Base(certPath), certificate.SHA256(raw))
		}
	}
	unknown := ""
	if got := certificate.SHA256(object); got != described.SHA256 {
		unknown = fmt.Sprintf("not the file that %s describes: its sha256 is %.12s", filepath.Base(certPath), got)
		if !o.RunUnknown {
			return nil, refused(path, unknown)
		}
	}
	again, err := driver.Rebuild(ctx, certPath, c, o, messages)
	if err != nil {
		return nil, err
	}
	for _, p := range c.Outputs {
		if p.Kind != described.Kind && p.Kind != certificate.Header && p.Kind != certificate.Weights {
			continue // a proof of its own
		}
		made, err := again.Output(p.Kind)
		if err != nil {
			return nil, err
		}
		switch {
		case p.Name != described.Name && certificate.SHA256(made) != p.SHA256:
			return nil, failed(certPath, "%s is not what %s makes", p.Name, filepath.Base(again.Source))
		case p.Name == described.Name && unknown == "" && !bytes.Equal(made, object):
			unknown = fmt.Sprintf("not what %s makes: byte %d of %d differs", filepath.Base(again.Source), driver.FirstDifference(made, object), len(made))
			if !o.RunUnknown {
				return nil, refused(path, unknown)
			}
		}
	}
	if err := again.Sizes(c); err != nil {
		return nil, err
	}
	if err := holds(c.Proof, again.Result.Module, certPath); err != nil {
		return nil, err
	}
	if unknown == "" {
		fmt.Fprintf(out, "%s: built again from %s, equal in all %d bytes; content %.12s\n", filepath.Base(path), filepath.Base(again.Source), len(object), c.Content)
	}
	return &proved{again, c.Proof, described.Kind, object, unknown}, nil
}

// shipped proves an output of a build, and only then runs it on the target. Otherwise nothing
// is run unless -run-unknown says so: an object is code.
func shipped(ctx context.Context, o driver.Options, out, messages io.Writer) error {
	p, err := prove(ctx, o, out, messages)
	if err != nil {
		return err
	}
	if err := say(out, p.proof); err != nil {
		return err
	}
	path, again := o.Input, p.again
	switch {
	case p.kind != "obj" && p.kind != "lib":
		_, err := fmt.Fprintf(out, "%s: not run: an object or a library can be\n", filepath.Base(path))
		return err
	case p.unknown != "" && p.kind != "obj":
		return refused(path, p.unknown).WithHelp("-run-unknown runs an object; take it out of the library")
	}
	if err := emu.Check(again.Result.Target); err != nil {
		return err
	}
	build, err := program.New(ctx, again.Result.Result)
	if err != nil {
		return err
	}
	defer build.Close()
	if p.unknown != "" {
		o.Warnings.Say(messages, diag.Warn(diag.UnknownObject, "%s: %s; it is run as -run-unknown says, and an object is code", filepath.Base(path), p.unknown))
		build.Object = p.object
	}
	return check(ctx, again.Options, again.Result, again.Network, build, out, messages)
}

// holds reports a proof in a certificate that is not one of the integers that are built again.
func holds(p *certificate.Proof, m *ir.Module, path string) error {
	if p == nil {
		return nil
	}
	content, err := proof.Content(m)
	if err != nil {
		return err
	}
	var d *diag.Diagnostic
	switch fault := p.Fault(); {
	case p.Integers != content:
		d = failed(path, "its proof is of other integers: their content is %.12s, here it is %.12s", p.Integers, content)
	case p.Statement != proof.Statement:
		d = failed(path, "what its proof says is not what a proof says: %.80q", p.Statement)
	case fault != "":
		d = failed(path, "it has no proof: %s", fault)
	default:
		return nil
	}
	return d.WithHelp("dnnc certify proves the object again")
}

// say prints what a certificate carries of a proof; whether it is true dnnc certify -check decides.
func say(out io.Writer, p *certificate.Proof) error {
	if p == nil {
		return nil
	}
	var list []string
	for _, x := range p.Proved {
		if len(x.Sizes) == 0 {
			list = append(list, fmt.Sprintf("%s at every place %.4f", x.Error, x.Shares[0]))
			continue
		}
		at := len(x.Sizes) - 1
		list = append(list, fmt.Sprintf("%s up to %g %.4f", x.Error, x.Sizes[at], x.Shares[at]))
	}
	_, err := fmt.Fprintf(out, "the certificate carries a proof of these integers: of %d images these shares are right at every size: %s; %s (sha256 %.12s, held to the object by dnnc certify -check)\n",
		p.Images, strings.Join(list, ", "), p.Statement, p.SHA256)
	return err
}

// Certificate reads the certificate beside an output, and says where it is.
func Certificate(path string) (string, *certificate.Certificate, error) {
	base := strings.TrimSuffix(path, filepath.Ext(path))
	list := []string{base + ".json"}
	if name, ok := strings.CutPrefix(filepath.Base(base), "lib"); ok {
		list = append(list, filepath.Join(filepath.Dir(base), name+".json"))
	}
	for _, p := range list {
		if _, err := os.Stat(p); errors.Is(err, os.ErrNotExist) {
			continue
		}
		raw, err := driver.ReadShipped(p)
		if err != nil {
			return "", nil, err
		}
		c, err := certificate.Parse(raw)
		if err != nil {
			return "", nil, failed(p, "%v", err)
		}
		if c.Recipe == nil {
			return "", nil, failed(p, "the certificate does not say how to build again: it is none that dnnc build wrote")
		}
		return p, c, nil
	}
	return "", nil, diag.New(diag.Pos{File: path}, diag.BadFile, "no certificate beside it: no %s", strings.Join(list, ", no ")).
		WithHelp("put header and certificate of the build beside the object; dnnc verify net.dnn -target T proves a network that was not shipped")
}

func names(list []certificate.Output) (out []string) {
	for _, p := range list {
		out = append(out, p.Name)
	}
	return out
}

// failed is a check of a file that does not hold.
func failed(path, format string, args ...any) *diag.Diagnostic {
	return diag.New(diag.Pos{File: path}, diag.CheckFailed, format, args...)
}

// refused is an object that is not run.
func refused(path, why string) *diag.Diagnostic {
	return failed(path, "%s; it was not run", why).WithHelp("-run-unknown runs it on the target or under its emulator all the same; an object is code, and does what it likes with your rights")
}
