import Basics

/// A part of a tokenizer.json with its place in it, read with errors that name both.
struct Component {
  let json: JSON
  let file: String
  /// The path from the top, such as `pre_tokenizer.pretokenizers[1]`.
  let place: String

  /// What a component says that it is.
  func type() throws -> String { try string("type") }

  func unknownType(_ type: String, known: [String]) -> TokenizationError {
    .unknownComponent(file: file, place: place, type: type, nearest: nearestName(to: type, among: known))
  }

  func unusable(_ reason: String) -> TokenizationError { .unusable(file: file, place: place, reason: reason) }

  /// A field, which may be missing or null.
  func field(_ key: String) -> Component? {
    guard let value = json[key], !value.isNull else { return nil }
    return Component(json: value, file: file, place: place.isEmpty ? key : "\(place).\(key)")
  }

  func required(_ key: String, _ expected: String) throws -> Component {
    if let field = field(key) { return field }
    let name = place.isEmpty ? key : "\(place).\(key)"
    throw TokenizationError.badValue(
      file: file, place: name, expected: expected, found: json[key] == nil ? "nothing" : "null")
  }

  func bad(_ expected: String) -> TokenizationError {
    .badValue(file: file, place: place, expected: expected, found: json.kind)
  }

  func string() throws -> String {
    guard let value = json.stringValue else { throw bad("a string") }
    return value
  }

  func string(_ key: String) throws -> String { try required(key, "a string").string() }
  func optionalString(_ key: String) throws -> String? { try field(key)?.string() }
  func bytes(_ key: String) throws -> [UInt8] { try Array(string(key).utf8) }
  func optionalBytes(_ key: String) throws -> [UInt8] { try Array((optionalString(key) ?? "").utf8) }

  func bool(_ key: String, default fallback: Bool? = nil) throws -> Bool {
    if let fallback, field(key) == nil { return fallback }
    let field = try required(key, "a boolean")
    guard let value = field.json.boolValue else { throw field.bad("a boolean") }
    return value
  }

  func integer() throws -> Int {
    guard let value = json.intValue, value >= 0 else {
      if case .number(let literal) = json {
        throw TokenizationError.badValue(
          file: file, place: place, expected: "an integer from 0 on", found: literal)
      }
      throw bad("an integer from 0 on")
    }
    return value
  }

  func integer(_ key: String, default fallback: Int? = nil) throws -> Int {
    if let fallback, field(key) == nil { return fallback }
    return try required(key, "an integer from 0 on").integer()
  }

  /// A string of one character.
  func scalar(_ key: String) throws -> Unicode.Scalar {
    let field = try required(key, "a character")
    let scalars = try field.string().unicodeScalars
    guard scalars.count == 1, let scalar = scalars.first else {
      throw TokenizationError.badValue(
        file: file, place: field.place, expected: "one character", found: "'\(try field.string())'")
    }
    return scalar
  }

  /// The elements of an array.
  func elements() throws -> [Component] {
    guard let values = json.arrayValue else { throw bad("an array") }
    return values.enumerated().map { Component(json: $1, file: file, place: "\(place)[\($0)]") }
  }

  func elements(_ key: String) throws -> [Component] { try required(key, "an array").elements() }

  /// What Split and Replace look for: `{"String": …}` or `{"Regex": …}`.
  func pattern(_ key: String) throws -> TextPattern {
    let field = try required(key, "an object with String or Regex")
    if let literal = try field.optionalString("String") { return .literal(Array(literal.utf8)) }
    guard let pattern = try field.optionalString("Regex") else {
      throw field.bad("an object with String or Regex")
    }
    do { return .expression(try RegularExpression(pattern)) } catch {
      throw field.unusable("\(error)")
    }
  }
}
