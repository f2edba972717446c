import Basics

/// Settings of a config.json with their types checked. A value that is null counts as absent.
struct ConfigReader {
  let json: JSON
  /// What messages call the model.
  let model: String
  /// Stands before the keys in messages: `rope_scaling.`.
  var prefix = ""

  func value(_ key: String) -> JSON? { json[key].flatMap { $0.isNull ? nil : $0 } }

  /// Whether the key is there, if only as null.
  func has(_ key: String) -> Bool { json[key] != nil }

  func bad(_ key: String, expected: String) -> InferenceError {
    .badSetting(prefix + key, found: (json[key] ?? .null).text(.compact), expected: expected, model: model)
  }

  /// A positive integer. Sizes are bounded, so that products of them are integers too.
  func count(_ key: String, atMost most: Int = 1 << 24) throws -> Int? {
    guard let value = value(key) else { return nil }
    guard let count = value.intValue, count > 0 else { throw bad(key, expected: "a positive integer") }
    guard count <= most else { throw bad(key, expected: "at most \(most)") }
    return count
  }

  /// A number of positions.
  func positions(_ key: String) throws -> Int? { try count(key, atMost: 1 << 48) }

  func requiredPositions(_ key: String) throws -> Int {
    guard let positions = try positions(key) else {
      throw InferenceError.missingSetting(prefix + key, model: model)
    }
    return positions
  }

  func requiredCount(_ key: String, atMost most: Int = 1 << 24) throws -> Int {
    guard let count = try count(key, atMost: most) else {
      throw InferenceError.missingSetting(prefix + key, model: model)
    }
    return count
  }

  /// A positive number.
  func number(_ key: String) throws -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.doubleValue, number > 0, number.isFinite else {
      throw bad(key, expected: "a positive number")
    }
    return number
  }

  func requiredNumber(_ key: String) throws -> Double {
    guard let number = try number(key) else {
      throw InferenceError.missingSetting(prefix + key, model: model)
    }
    return number
  }

  func flag(_ key: String) throws -> Bool? {
    guard let value = value(key) else { return nil }
    guard let flag = value.boolValue else { throw bad(key, expected: "true or false") }
    return flag
  }

  func string(_ key: String) throws -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value.stringValue else { throw bad(key, expected: "a string") }
    return string
  }
}
