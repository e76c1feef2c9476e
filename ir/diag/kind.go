package diag

// Kind names what sort of fault a diagnostic reports; it is the stable code
// between the position and the message.
type Kind string

// The kinds of fault. A tool may match on them; messages may change.
const (
	Syntax          Kind = "syntax"            // the text is no statement of the language
	Limit           Kind = "limit"             // larger, deeper or longer than dnnc accepts
	UnknownOp       Kind = "unknown-operation" // no operation of this name
	UnknownAttr     Kind = "unknown-attribute" // the operation has no such attribute
	UnknownName     Kind = "unknown-name"      // a value or constant that is not defined
	Undefined       Kind = "use-before-define" // a value used above its definition, or in a cycle
	Redefined       Kind = "redefined"         // a name that is defined twice
	BadValue        Kind = "bad-value"         // an attribute, number or option out of its range
	MissingAttr     Kind = "missing-attribute" // an attribute that the operation needs
	BadArity        Kind = "argument-count"    // too few or too many arguments
	BadShape        Kind = "shape"             // shapes that do not fit each other
	BadType         Kind = "type"              // element types that do not fit each other, or the annotation
	BadWidth        Kind = "width"             // a bit width or format that does not exist
	BadFile         Kind = "file"              // a file that is missing, truncated or no such format
	BadPath         Kind = "path"              // a path that leaves the folder of the network
	MissingTensor   Kind = "missing-tensor"    // a weights file without the tensor that a layer names
	BadTensor       Kind = "tensor"            // a tensor of the wrong shape or type, or with NaN
	BadData         Kind = "data"              // images or labels that do not fit the network
	BadBudget       Kind = "budget"            // a budget that no choice of widths can meet
	BadTask         Kind = "task"              // results that cannot be judged, or not as was asked
	CheckFailed     Kind = "check-failed"      // what was checked does not hold
	UnknownTarget   Kind = "unknown-target"    // no target of this name
	UnknownPass     Kind = "unknown-pass"      // no pass of this name
	Unsupported     Kind = "unsupported"       // valid, but not served by this pass, target or option
	AlreadyLowered  Kind = "already-quantized" // search flags on a module that is already quantized
	MissingTool     Kind = "missing-tool"      // an external program that is not installed
	ToolFailed      Kind = "tool-failed"       // an external program that failed
	BadOutput       Kind = "output"            // an output that cannot be written
	Clash           Kind = "clash"             // an output that is an input or another output
	Incomparable    Kind = "incomparable"      // two builds whose figures say nothing of each other
	Interrupted     Kind = "interrupted"       // work that the user ended early
	OutOfMemory     Kind = "memory"            // a limit of memory that dnnc runs under
	VerifierFailure Kind = "invariant"         // a module that breaks an invariant of the IR
)
