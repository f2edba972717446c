import Foundation
import Testing

/// Errors and events are data: no code reads the text of a message.
@Suite struct MessageTests {
  /// What text is asked or changed with.
  private static let readers =
    #"(hasPrefix|hasSuffix|contains|starts|replacing|replacingOccurrences|split|components|firstRange|ranges|"#
    + #"firstMatch|matches|wholeMatch|dropFirst|dropLast|firstIndex|lastIndex|range|trimmingPrefix)"#

  /// Swift that reads a message: one by its name, or an error that was made text.
  private static let swift = [
    #"\bwords\.(hasPrefix|hasSuffix|firstRange|replacing)\b"#,
    #"\b(message|description|sentence|reason|errorText|localizedDescription)\??\.\#(readers)\b"#,
    #""\\\((error|failure|problem|diagnostic|\$0)\)"\s*(\.\#(readers)\b|[!=]=)"#,
    #"\b(error|failure|problem|diagnostic)\.(message|description)\s*[!=]="#,
  ]

  /// The same in Lua, where what `pcall` caught is a message too.
  private static let lua = [
    #"\b(message|err|error|why|words|problem)\)?:(gsub|find|match|gmatch|sub)\("#,
    #"string\.(gsub|find|match|gmatch|sub)\((message|err|error|why|words|problem|tostring)\b"#,
    #"tostring\(\w+\):(gsub|find|match|gmatch|sub)\("#,
  ]

  private static func isReader(_ line: String, _ patterns: [String]) throws -> Bool {
    let text = line.trimmingCharacters(in: .whitespaces)
    guard !text.hasPrefix("//"), !text.hasPrefix("--") else { return false }
    return try patterns.contains { try text.firstMatch(of: Regex($0)) != nil }
  }

  @Test func noSwiftReadsAMessage() throws {
    let house = try House()
    for target in house.sourceTargets {
      for (path, text) in try house.files(of: target) where path.hasSuffix(".swift") {
        for line in text.split(separator: "\n") {
          #expect(try !Self.isReader(String(line), Self.swift), "\(path) reads a message: \(line)")
        }
      }
    }
  }

  @Test func noLuaReadsAMessage() throws {
    let files = try House.standardLibrary()
    #expect(files.count > 50)
    for (path, text) in files {
      for line in text.split(separator: "\n") {
        #expect(try !Self.isReader(String(line), Self.lua), "\(path) reads a message: \(line)")
      }
    }
  }

  /// "Did you mean" is worded in one place.
  @Test func suggestionsAreWordedOnce() throws {
    let house = try House()
    var found: [String] = []
    for target in house.sourceTargets {
      for (path, text) in try house.files(of: target) where path.hasSuffix(".swift") {
        for line in text.split(separator: "\n") where line.lowercased().contains("did you mean") {
          if !line.trimmingPrefix(while: \.isWhitespace).hasPrefix("//") { found.append(path) }
        }
      }
    }
    for (path, text) in try House.standardLibrary() where !path.hasPrefix("meta/") {
      if text.lowercased().contains("did you mean") { found.append(path) }
    }
    #expect(found == ["Basics/Diagnostics/DiagnosticRenderer.swift"])
  }

  /// Lines that once stood here.
  @Test(arguments: [
    #"    if "\(error)".contains("'\(name)'") { return error }"#,
    #"      guard unknown.name.contains("/"), "\(error)".hasSuffix("'\(unknown.name)'") else { throw error }"#,
    #"    let prefix = ["merge: ", "moe: "].first { message.hasPrefix($0) } ?? """#,
    #"    guard let colon = message.firstRange(of: ": ") else { return message }"#,
    #"    if words.hasPrefix("{ "), let end = words.firstRange(of: " }") {"#,
    #"    if error.message == "interrupted" { return }"#,
  ])
  func swiftThatReadsIsFound(_ line: String) throws { #expect(try Self.isReader(line, Self.swift)) }

  @Test(arguments: [
    #"  local message = tostring(result):gsub("^[^\n]-:%d+: ", "", 1)"#,
    #"  if message:find("no tensor") then return nil end"#,
    #"  return string.match(why, "did you mean '(.-)'")"#,
  ])
  func luaThatReadsIsFound(_ line: String) throws { #expect(try Self.isReader(line, Self.lua)) }
}

extension House {
  /// The Lua files of the standard library.
  static func standardLibrary() throws -> [(path: String, text: String)] {
    let folder = root.appending(path: "stdlib")
    let paths = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
    return try paths.filter { $0.hasSuffix(".lua") }.sorted().map {
      ($0, try String(contentsOf: folder.appending(path: $0), encoding: .utf8))
    }
  }
}
