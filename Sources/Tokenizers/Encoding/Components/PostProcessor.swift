/// The fourth stage: the special tokens around a text.
enum PostProcessor: Sendable {
  /// A part of the result: the text's ids, or the ids of a special token.
  enum Part {
    case text
    case special([Int])
  }

  case template([Part])
  /// Changes nothing but the places of tokens in the text, which are not kept here.
  case byteLevel
  case sequence([PostProcessor])

  static let types = ["BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"]

  init(_ component: Component) throws {
    let type = try component.type()
    switch type {
    case "ByteLevel": self = .byteLevel
    case "BertProcessing", "RobertaProcessing":
      self = .template([
        .special([try Self.id(component, "cls")]), .text, .special([try Self.id(component, "sep")]),
      ])
    case "TemplateProcessing": self = .template(try Self.template(component))
    case "Sequence":
      let processors = try component.elements("processors").map(PostProcessor.init)
      guard processors.count(where: \.addsTokens) < 2 else {
        throw component.unusable("only one processor of a Sequence may add tokens")
      }
      self = .sequence(processors)
    default: throw component.unknownType(type, known: Self.types)
    }
  }

  /// The ids with special tokens, or without where a template only repeats the text.
  func apply(to ids: [Int], addsSpecialTokens: Bool) -> [Int] {
    switch self {
    case .byteLevel: ids
    case .sequence(let processors):
      processors.reduce(ids) { $1.apply(to: $0, addsSpecialTokens: addsSpecialTokens) }
    case .template(let parts):
      parts.flatMap { part in
        switch part {
        case .text: ids
        case .special(let special): addsSpecialTokens ? special : []
        }
      }
    }
  }

  private var addsTokens: Bool {
    switch self {
    case .byteLevel: false
    case .template: true
    case .sequence(let processors): processors.contains(where: \.addsTokens)
    }
  }

  /// The id of `["token", id]`.
  private static func id(_ component: Component, _ key: String) throws -> Int {
    let pair = try component.elements(key)
    guard pair.count == 2 else { throw component.unusable("\(key) is no token with its id") }
    return try pair[1].integer()
  }

  /// `single` of a template, with the ids of `special_tokens`.
  private static func template(_ component: Component) throws -> [Part] {
    let special = try component.required("special_tokens", "an object")
    return try component.elements("single").map { part in
      if let sequence = part.field("Sequence") {
        guard try sequence.string("id") == "A" else {
          throw part.unusable("a template for one text has the second text, B")
        }
        return .text
      }
      let name = try part.required("SpecialToken", "Sequence or SpecialToken").string("id")
      guard special.json[name] != nil else {
        throw part.unusable("the special token '\(name)' is not in special_tokens")
      }
      return .special(try special.required(name, "an object").elements("ids").map { try $0.integer() })
    }
  }
}
