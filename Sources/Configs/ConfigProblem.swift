import Basics

/// A key that is not known where it stands, and the one that it may be meant as.
struct Misspelling: Equatable, Sendable {
  var key: String
  var place: Place
  var meant: String
}

/// A document with a name, and where it says so.
struct NamedPlace: Equatable, Sendable {
  var name: String
  var place: Place
}

/// What can be wrong with a config. `found` says in words what stands in the file.
enum ConfigProblem: Equatable, Sendable {
  // The text.
  case notUTF8(byte: UInt8)
  case syntax(problem: String, context: String?, contextPlace: Place?, isTab: Bool)
  case codeFence
  case oddSpace(scalar: UInt32)
  case empty
  case documentNotMapping(found: String)
  case duplicateKey(first: Place, isWarning: Bool)
  case undefinedAlias(name: String, nearest: String?)
  case recursiveAlias(name: String)
  case expandedTooFar(limit: Int)
  case nestedTooDeep(limit: Int)
  case keyNotName(found: String)
  case mergeKeyValue(found: String)

  // Forms.
  case expected(String, found: String)
  case missing(String, misspelling: Misspelling?)
  case emptyList(expected: String)
  case optionAsKey(option: String, isLeftOut: Bool)
  case unknownKey(nearest: String?, known: [String], isLeftOut: Bool)
  case parameterAsKey(isLeftOut: Bool)
  case unknownParameter(method: String, nearest: String?, isLeftOut: Bool)
  case sharedParameter(isLeftOut: Bool)
  case oneOfThree(found: [String], misspelling: Misspelling?)
  case modelsAndSlices(found: [String], misspelling: Misspelling?)
  case tokenizerTwice
  case badChoice(found: String, choices: [String], nearest: String?)
  case notTokenSource
  case tokenTwice
  case oldModelName(model: String)

  // Settings.
  case mixedList(expected: String, found: String)
  case ruleInList
  case ruleNotAlone
  case filterWithoutValue(misspelling: Misspelling?)
  case ruleEmpty
  case ruleUnfinished(String)
  case ruleUnbalanced(String)
  case ruleNotExpression(String)
  case ruleUnknownName(String, nearest: String?)

  // Layers.
  case layersNegative(Int)
  case layersReversed(Int, Int)
  case layersUnequal(count: Int, first: Int)

  // Methods.
  case unknownMethod(String, nearest: String?)
  case unknownDType(found: String, nearest: String?, known: [String])

  // Several documents.
  case duplicateName(String, first: Place)
  case severalUnnamed(first: Place)
  case badName(String)
  case namelessClash(String)
  case nameless
  case severalResults([NamedPlace])
  case cycle([NamedPlace])
  case expertsAmongDocuments

  // Notices.
  case residualWeight
  case overrideArchitecture
  case unusedMerge(String)
}

extension ConfigProblem {
  var diagnostic: Diagnostic {
    if case .expected(let expected, let found) = self {
      return Diagnostic(expected: .foreign(expected), found: .foreign(found))
    }
    var diagnostic = Diagnostic(.foreign(words))
    diagnostic.suggestion = suggestion
    if case .unknownKey(nil, let known, _) = self { diagnostic.known = known }
    return diagnostic
  }

  private var suggestion: Diagnostic.Suggestion? {
    switch self {
    case .undefinedAlias(_, let nearest), .unknownKey(let nearest, _, _),
      .unknownParameter(_, let nearest, _),
      .badChoice(_, _, let nearest), .ruleUnknownName(_, let nearest), .unknownMethod(_, let nearest),
      .unknownDType(_, let nearest, _):
      nearest.map { Diagnostic.Suggestion($0) }
    case .missing(_, let misspelling), .oneOfThree(_, let misspelling), .modelsAndSlices(_, let misspelling),
      .filterWithoutValue(let misspelling):
      misspelling.map {
        Diagnostic.Suggestion($0.meant, written: $0.key, position: $0.place.description)
      }
    default: nil
    }
  }

  private var words: String {
    switch self {
    case .notUTF8(let byte): "the text is not UTF-8 (byte 0x\(hexadecimal(byte)))"
    case .syntax(let problem, let context, let place, let isTab):
      "this is not valid YAML: \(problem)" + (isTab ? " (a tab; YAML indents with spaces)" : "")
        + (context.map { ", \($0)" } ?? "") + (place.map { " that begins at \($0)" } ?? "")
    case .codeFence:
      "a code fence (```) stands around the config; YAML begins without it: take away this line and the last"
    case .oddSpace(let scalar):
      "a non-breaking space (U+\(String(scalar, radix: 16, uppercase: true))) stands in the indentation; YAML indents with plain spaces"
    case .empty: "there is no config in the file; expected merge_method, and models, slices or modules"
    case .documentNotMapping(let found):
      "expected keys such as merge_method at the top of the config, found \(found)"
    case .duplicateKey(let first, let isWarning):
      "the key is given twice, first at \(first)" + (isWarning ? "; the last value counts" : "")
    case .undefinedAlias(let name, _):
      "no anchor '&\(name)' comes before the alias '*\(name)'"
    case .recursiveAlias(let name): "the alias '*\(name)' stands within what its anchor names"
    case .expandedTooFar(let limit): "the aliases of the file stand for more than \(limit) values"
    case .nestedTooDeep(let limit): "nested more than \(limit) levels deep"
    case .keyNotName(let found): "expected a name as the key, found \(found)"
    case .mergeKeyValue(let found): "'<<' takes a mapping or a list of mappings, found \(found)"

    case .expected: ""
    case .missing(let what, _): "\(what) is missing"
    case .emptyList(let expected): "the list is empty; expected \(expected)"
    case .unknownKey(_, _, let isLeftOut):
      "unknown key" + (isLeftOut ? ", left out" : "")
    case .optionAsKey(let option, let isLeftOut):
      "unknown key" + (isLeftOut ? ", left out" : "") + " (\(option) gives it)"
    case .parameterAsKey(let isLeftOut):
      "unknown key" + (isLeftOut ? ", left out" : "") + " (the parameter belongs under 'parameters' here)"
    case .unknownParameter(let method, _, let isLeftOut):
      "unknown parameter of \(method)" + (isLeftOut ? ", left out" : "")
    case .sharedParameter(let isLeftOut):
      "the parameter is shared by all models and not read here" + (isLeftOut ? ", left out" : "")
        + "; it belongs under the 'parameters' of the whole config or of a slice"
    case .oneOfThree(let found, _):
      "expected exactly one of models, slices and modules, found "
        + (found.isEmpty ? "none" : found.joined(separator: " and "))
    case .modelsAndSlices(let found, _):
      "expected either models or slices, found " + (found.isEmpty ? "neither" : "both")
    case .tokenizerTwice: "tokenizer and tokenizer_source are both given; expected one of them"
    case .badChoice(let found, let choices, _):
      "expected \(choices.joined(separator: " or ")), found \(found)"
    case .oldModelName(let model): "'model:\(model)' is how old versions said it; expected \(model)"
    case .notTokenSource: "expected either token or token_id, found neither"
    case .tokenTwice: "token and token_id are both given; expected one of them"

    case .mixedList(let expected, let found):
      "expected \(expected) like the entries before, found \(found)"
    case .ruleInList:
      "a rule {lua: …} is a setting by itself or the value of a filter, not an entry of a list"
    case .ruleNotAlone: "a rule {lua: …} has no other keys"
    case .filterWithoutValue: "a filter needs a value"
    case .ruleEmpty: "the rule is empty; expected a Lua expression such as 0.2 + 0.6 * depth"
    case .ruleUnfinished(let what): "the rule ends within \(what)"
    case .ruleUnbalanced(let bracket): "the rule has a '\(bracket)' without its counterpart"
    case .ruleNotExpression(let token): "a rule is one expression, found '\(token)'"
    case .ruleUnknownName(let name, _): "variable '\(name)' is not defined"

    case .layersNegative(let layer): "layers count from 0, found \(layer)"
    case .layersReversed(let first, let end): "[\(first), \(end)] is reversed: the first layer comes first"
    case .layersUnequal(let count, let first):
      "\(counted(count, "layer")), but sources[1] has \(first): all sources of a slice have as many"

    case .unknownMethod(let name, _): "unknown merge method '\(name)'"
    case .unknownDType(let found, let nearest, let known):
      "'\(found)' is not a dtype that models are written in"
        + (nearest == nil ? "; expected \(known.joined(separator: ", "))" : "")

    case .duplicateName(let name, let first): "the name '\(name)' is given to two merges, first at \(first)"
    case .severalUnnamed(let first):
      "two merges have no name, the first at \(first); all but the last one of the tree need a name"
    case .badName(let name):
      "'\(name)' cannot name a merge: a name has no '/' and no '..', and is not '.'"
    case .namelessClash(let name):
      "the name '\(name)' is that of the config's file, under which the merge without a name is written"
    case .nameless: "every merge has a name; --require-nameless asks for one without"
    case .severalResults(let list):
      "the file has several results, \(listed(list.map { "'\($0.name)' (\($0.place))" })), and one is written: "
        + "leave out the name of that"
    case .cycle(let way):
      "the merge needs itself: " + way.map { "\($0.name) (\($0.place))" }.joined(separator: " → ")
        + " → \(way.first?.name ?? "")" + (way.count == 1 ? " (./\(way[0].name) means the path)" : "")
    case .expertsAmongDocuments: "a mixture of experts cannot be one of several documents"

    case .residualWeight: "has no effect, as in mergekit"
    case .overrideArchitecture: "has no effect: the architecture is inferred from the tensors"
    case .unusedMerge(let name): "the merge '\(name)' is left out: the result does not need it"
    }
  }
}

private func listed(_ words: [String]) -> String {
  words.count < 2
    ? words.joined() : words.dropLast().joined(separator: ", ") + " and " + words[words.count - 1]
}

private func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

private func hexadecimal(_ byte: UInt8) -> String {
  let digits = String(byte, radix: 16, uppercase: true)
  return digits.count == 1 ? "0" + digits : digits
}
