import Basics
import Testing

@Suite struct DiagnosticTests {
  private let path = KeyPath().key("models").item(2).key("weight")

  @Test func contextStandsBeforeTheWordsInOneOrder() {
    var diagnostic = Diagnostic(expected: "a number", found: "\(name: "half")")
    #expect(diagnostic.description == "expected a number, found 'half'")
    diagnostic = diagnostic.under(path).at(SourceLocation(path: "config.yml", line: 7, column: 5))
    #expect(diagnostic.description == "config.yml:7:5: models[2].weight: expected a number, found 'half'")
    diagnostic = diagnostic.inTensor("a.b").inModel("m").inFile("m/x.safetensors")
    #expect(
      diagnostic.description
        == "config.yml:7:5: m/x.safetensors: model 'm': tensor 'a.b': models[2].weight: expected a number, found 'half'"
    )
  }

  @Test func theNearerContextCounts() {
    let inner = Diagnostic("bad").inTensor("a").inModel("m").at(SourceLocation(path: "r.lua", line: 1))
    let outer = inner.inTensor("b").inModel("n").at(SourceLocation(path: "r.lua", line: 9))
    #expect(outer.description == "r.lua:1: model 'm': tensor 'a': bad")
    #expect(Diagnostic("bad").under(KeyPath().key("b")).under(KeyPath().key("a")).description == "a.b: bad")
  }

  @Test func whatTheMessageNamesIsNotNamedBefore() {
    let diagnostic = Diagnostic("model \(model: "m") has no tensor \(tensor: "a")")
    #expect(diagnostic.inTensor("a").inModel("m").description == "model 'm' has no tensor 'a'")
    #expect(diagnostic.inTensor("b").description == "tensor 'b': model 'm' has no tensor 'a'")
    // A name that only looks the same is another thing's.
    #expect(Diagnostic("key \(name: "a")").inTensor("a").description == "tensor 'a': key 'a'")
  }

  @Test func valuesHaveTheSyntaxOfTheFile() {
    let layers = DiagnosticValue.list([.integer(0), .integer(9)])
    let fields = DiagnosticValue.fields([.init("filter", .text("mlp")), .init("value", .null)])
    var diagnostic = Diagnostic("\(value: layers) and \(value: fields) of \(key: "base")")
    #expect(diagnostic.description == "{ 0, 9 } and { filter = 'mlp', value = nil } of base")
    diagnostic.syntax = .yaml
    #expect(diagnostic.description == "[0, 9] and {filter: 'mlp', value: null} of base_model")
  }

  @Test func aFunctionOfTheScriptAPIIsNamedToScriptsOnly() {
    var diagnostic = Diagnostic("bad").under(path)
    diagnostic.function = "merge"
    #expect(diagnostic.description == "merge: models[2].weight: bad")
    diagnostic.syntax = .yaml
    #expect(diagnostic.description == "models[2].weight: bad")
  }

  @Test func theNearestNameIsSuggestedElseAllAreListed() {
    let unknown = Diagnostic("unknown parameter \(name: "wieght")")
    #expect(
      unknown.suggesting("wieght", among: ["weight", "density"]).description
        == "unknown parameter 'wieght' (did you mean 'weight'?)")
    #expect(
      unknown.suggesting("zzz", among: ["weight", "density"], listing: true).description
        == "unknown parameter 'wieght' (known: weight, density)")
    #expect(unknown.suggesting("zzz", among: ["weight"]).description == "unknown parameter 'wieght'")
    var elsewhere = Diagnostic("models is missing")
    elsewhere.suggestion = .init("models", written: "modles", position: "3:1")
    #expect(elsewhere.description == "models is missing (did you mean 'models' by 'modles' at 3:1?)")
  }

  @Test func expectedFoundAndNotesFollowTheMessage() {
    var diagnostic = Diagnostic("the list is empty").noting("see \(name: "docs")")
    diagnostic.expected = "numbers"
    #expect(diagnostic.description == "the list is empty; expected numbers (see 'docs')")
  }

  @Test func anyErrorIsADiagnosticThatKeepsIt() {
    enum Typed: DiagnosableError {
      case bad(Int)
      var diagnostic: Diagnostic { Diagnostic("\(1) is bad").inTensor("t") }
    }
    struct Foreign: Error, CustomStringConvertible { let description = "lost" }
    #expect("\(Typed.bad(1))" == "tensor 't': 1 is bad")
    let typed = Diagnostic(Typed.bad(1) as any Error)
    #expect(typed.cause is Typed && typed.tensor == "t")
    #expect(Diagnostic(typed as any Error).cause is Typed)
    #expect(Diagnostic(Foreign()).inTensor("a").description == "tensor 'a': lost")
  }

  // MARK: What others wrote

  @Test(arguments: [
    ("a\u{1B}[31mred", "'a\\u{1B}[31mred'"), ("a\nerror: b", "'a\\nerror: b'"), ("\t\r", "'\\t\\r'"),
    ("\u{202E}evil", "'\\u{202E}evil'"), ("\u{2066}x\u{2069}", "'\\u{2066}x\\u{2069}'"),
    ("\u{9B}31m", "'\\u{9B}31m'"), ("a\u{2028}b", "'a\\u{2028}b'"), ("\u{FEFF}", "'\\u{FEFF}'"),
    ("\u{7F}", "'\\u{7F}'"), ("\u{200F}", "'\\u{200F}'"), ("\u{E0041}", "'\\u{E0041}'"),
    ("größe 模型 👩‍💻", "'größe 模型 👩‍💻'"), ("a'b\\c", "'a'b\\c'"),
  ])
  func namesReachNoTerminalRaw(name: String, shown: String) {
    #expect(Diagnostic("\(name: name)").description == shown)
    #expect(Diagnostic("x").inTensor(name).description == "tensor \(shown): x")
    #expect(Diagnostic("\(name)").description == String(shown.dropFirst().dropLast()))
  }

  @Test func everyFieldIsEscaped() {
    let evil = "\u{1B}]0;\u{7}"
    var diagnostic = Diagnostic(
      "\(name: evil)\(evil)\(model: evil)\(value: .text(evil))\(value: .fields([.init(evil, .null)]))\(foreign: evil)"
    )
    diagnostic.expected = "\(evil)"
    diagnostic.found = "\(evil)"
    diagnostic.known = [evil]
    diagnostic.notes = ["\(evil)"]
    diagnostic = diagnostic.inFile(evil).inTensor("t" + evil).inModel("m" + evil).under(KeyPath().key(evil))
      .at(SourceLocation(path: evil))
    #expect(diagnostic.description.unicodeScalars.allSatisfy { $0.value >= 0x20 })
    diagnostic.suggestion = .init(evil, written: evil, position: evil)
    #expect(diagnostic.description.unicodeScalars.allSatisfy { $0.value >= 0x20 })
  }

  @Test func longNamesAndTextsLoseTheirMiddle() {
    let name = Diagnostic("\(name: "a" + String(repeating: "x", count: 100_000) + "z")").description
    #expect(
      name.unicodeScalars.count == 258 && name.hasPrefix("'ax") && name.hasSuffix("xz'") && name.contains("…")
    )
    let text = Diagnostic(.foreign(String(repeating: "é", count: 1_000_000))).description
    #expect(text.unicodeScalars.count == 16_384)
    #expect(Diagnostic("\(String(repeating: "p/", count: 2048))").description.count == 4096)
  }

  @Test func furtherLinesOfForeignWordsAreIndented() {
    #expect(Diagnostic(.foreign("first\nerror: second\u{1B}")).description == "first\n  error: second\\u{1B}")
  }

  // MARK: JSON

  @Test func programsReadTheFields() {
    var diagnostic = Diagnostic("tensor \(tensor: "a\u{1B}") of model \(model: "m")").under(path)
      .at(SourceLocation(path: "c.yml", line: 7, column: 5)).inFile("f").suggesting("b").noting("why")
    diagnostic.syntax = .yaml
    diagnostic.expected = "\(value: .list([.integer(1)]))"
    diagnostic.found = "nothing"
    #expect(
      DiagnosticRenderer().json(diagnostic, severity: .error).text(.compact) == #"""
        {"event":"diagnostic","severity":"error","message":"c.yml:7:5: f: models[2].weight: tensor 'a\\u{1B}' of model 'm'; \#
        expected [1], found nothing (did you mean 'b'?) (why)","location":{"path":"c.yml","line":7,\#
        "column":5},"key_path":"models[2].weight","file":"f","model":"m","tensor":"a\u001b",\#
        "expected":"[1]","found":"nothing","suggestion":"b","notes":["why"]}
        """#)
    #expect(
      DiagnosticRenderer().json(Diagnostic("x"), severity: .warning).text(.compact)
        == #"{"event":"diagnostic","severity":"warning","message":"x"}"#)
  }

  @Test(arguments: ["", "models[2].weight", "[1].layers", "a[1][12].b", "tokens.<|x|>.source"])
  func keyPathsAreReadAsTheyAreWritten(_ text: String) {
    #expect(KeyPath(parsing: text).description == text)
  }

  @Test func keyPathsHaveSteps() {
    #expect(KeyPath(parsing: "models[2].weight").steps == [.key("models"), .item(2), .key("weight")])
    #expect(KeyPath(parsing: "[1].layers").steps == [.item(1), .key("layers")])
    #expect(KeyPath(parsing: "").isEmpty)
    // A name of its own with a bracket is no number.
    #expect(KeyPath(parsing: "tokens.[x]").description == "tokens.[x]")
  }

  /// A list that is the whole argument of a function follows its name.
  @Test func itemsFollowTheFunction() {
    var diagnostic = Diagnostic("no").under(KeyPath(parsing: "[2].layers"))
    diagnostic.function = "stack"
    #expect(diagnostic.description == "stack[2].layers: no")
    diagnostic.syntax = .yaml
    #expect(diagnostic.description == "[2].layer_range: no")
  }

  @Test func aCommandMayBeMeant() {
    let diagnostic = Diagnostic("no such file").suggesting("inspect", kind: "command")
    #expect(diagnostic.description == "no such file (did you mean the command 'inspect'?)")
    #expect(Diagnostic("x\(didYouMean: "y")!").description == "x (did you mean 'y'?)!")
  }
}
