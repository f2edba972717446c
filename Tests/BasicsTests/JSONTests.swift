import Basics
import SystemPackage
import TestSupport
import Testing

@Suite struct JSONTests {
  @Test(arguments: [
    "0", "-0", "1e-05", "1E+5", "10000.0", "0.1", "-12.5e10", "123456789012345678901234567890",
    "NaN", "Infinity", "-Infinity",
  ])
  func numbersKeepTheirSpelling(literal: String) throws {
    let json = try JSON(parsing: " \(literal)\n")
    #expect(json == .number(literal: literal))
    #expect(json.text(.compact) == literal)
  }

  @Test func numbersHaveValues() throws {
    let json = try JSON(parsing: "[42, -7, 1.0, 1e3, 99999999999999999999, 1e-05, 1e999, -Infinity, NaN]")
    #expect(json.arrayValue?.map(\.intValue) == [42, -7, nil, nil, nil, nil, nil, nil, nil])
    #expect(json[3]?.doubleValue == 1000)
    #expect(json[5]?.doubleValue == 0.00001)
    #expect(json[6]?.doubleValue == .infinity)
    #expect(json[7]?.doubleValue == -.infinity)
    #expect(json[8]?.doubleValue?.isNaN == true)
  }

  @Test func numbersFromValues() {
    #expect(JSON(5) == .number(literal: "5"))
    #expect(JSON(UInt64.max) == .number(literal: "18446744073709551615"))
    #expect(JSON(0.00001) == .number(literal: "1e-05"))
    #expect(JSON(10000.0) == .number(literal: "10000.0"))
    #expect(JSON(Double.nan) == .number(literal: "NaN"))
    #expect(JSON(-Double.infinity) == .number(literal: "-Infinity"))
  }

  @Test func accessors() throws {
    let json = try JSON(parsing: #"{"a": [true, null, "x", {"b": 1}], "c": false}"#)
    #expect(json["a"]?[0]?.boolValue == true)
    #expect(json["a"]?[1]?.isNull == true)
    #expect(json["a"]?[2]?.stringValue == "x")
    #expect(json["a"]?[3]?["b"]?.intValue == 1)
    #expect(json["a"]?[4] == nil && json["a"]?[-1] == nil)
    #expect(json["missing"] == nil && json["a"]?["x"] == nil && json["c"]?[0] == nil)
    #expect(json["c"]?.stringValue == nil && json["c"]?.intValue == nil && json.arrayValue == nil)
  }

  @Test(arguments: [
    (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{C}\n\r\t"),
    (#""\u00e9\u0120\u0000""#, "é\u{120}\0"),
    (#""\ud83d\ude00 \uD83D\uDE00""#, "😀 😀"),
    (#""\ud83d""#, "\u{FFFD}"),
    (#""\ude00x""#, "\u{FFFD}x"),
    (#""\ud83d\u0041""#, "\u{FFFD}A"),
    (#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"),
    (#""größe Ġ 日本 😀""#, "größe Ġ 日本 😀"),
    ("\"\u{7F}\u{2028}\"", "\u{7F}\u{2028}"),
  ])
  func strings(text: String, value: String) throws {
    #expect(try JSON(parsing: text).stringValue == value)
  }

  @Test func aByteOrderMarkIsSkipped() throws {
    #expect(try JSON(parsing: "\u{FEFF}[1]") == .array([JSON(1)]))
    #expect(message { try JSON(parsing: "\u{FEFF}x") } == "1:1: expected a value, found 'x'")
  }

  @Test(arguments: [
    ("", "1:1: expected a value, found the end of the text"),
    ("  \n ", "2:2: expected a value, found the end of the text"),
    ("[1, 2", "1:6: expected ',' or ']' after the value, found the end of the text"),
    ("[1 2]", "1:4: expected ',' or ']' after the value, found '2'"),
    ("[1,]", "1:4: expected a value, found ']'"),
    ("{\"a\" 1}", "1:6: expected ':' after the key, found '1'"),
    ("{\"a\": 1 \"b\": 2}", "1:9: expected ',' or '}' after the value, found '\"'"),
    ("{\n  \"a\": 1,\n}", "3:1: expected a key in quotes, found '}'"),
    ("{a: 1}", "1:2: expected a key in quotes or '}', found 'a'"),
    ("tru", "1:1: expected a value, found 'tru'"),
    ("nan", "1:1: expected a value, found 'nan'"),
    ("{} {}", "1:4: expected the end of the text after the value, found '{'"),
    ("01", "1:2: expected no digit after a leading zero, found '1'"),
    ("-", "1:2: expected a digit, found the end of the text"),
    ("1.", "1:3: expected a digit, found the end of the text"),
    (".5", "1:1: expected a value, found '.'"),
    ("+1", "1:1: expected a value, found '+'"),
    ("1e", "1:3: expected a digit, found the end of the text"),
    ("[1ex]", "1:4: expected a digit, found 'x'"),
    ("\"ab", "1:1: expected '\"' at the end of the string"),
    ("\"a\nb\"", "1:3: expected control characters in a string to be escaped, found byte 0x0A"),
    (#""\x""#, "1:3: expected one of \" \\ / b f n r t u after a backslash, found 'x'"),
    (#""\u12g4""#, "1:6: expected four hexadecimal digits after \\u, found 'g4'"),
    (#""\"#, "1:3: expected an escape, found the end of the text"),
    ("[é, ü!]", "1:2: expected a value, found 'é'"),
    ("[\"日本\", ?]", "1:8: expected a value, found '?'"),
  ])
  func errorsNameThePlace(text: String, expected: String) {
    #expect(message { try JSON(parsing: text) } == expected)
  }

  @Test(
    arguments: [
      ([0x22, 0x61, 0xFF, 0x22], "1:3: expected UTF-8, found byte 0xFF"),
      ([0x22, 0xC3, 0xA9, 0xE2, 0x82, 0x22], "1:3: expected UTF-8, found byte 0xE2"),
      ([0x22, 0xED, 0xA0, 0x80, 0x22], "1:2: expected UTF-8, found byte 0xED"),
      ([0x22, 0xC0, 0x80, 0x5C, 0x6E, 0x22], "1:2: expected UTF-8, found byte 0xC0"),
      ([0x5B, 0xFF], "1:2: expected a value, found byte 0xFF"),
    ] as [([UInt8], String)])
  func stringsAreUTF8(bytes: [UInt8], expected: String) {
    #expect(message { try JSON(parsing: bytes) } == expected)
  }

  @Test func depthIsLimited() throws {
    let fine = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
    #expect(try JSON(parsing: fine).text(.compact) == fine)
    #expect(
      message { try JSON(parsing: "[" + fine + "]") } == "1:513: more than 512 levels of arrays and objects")
    let endless = String(repeating: "{\"a\":[", count: 1_000_000)
    #expect(message { try JSON(parsing: endless) }.hasSuffix("more than 512 levels of arrays and objects"))
  }

  @Test func duplicateKeys() throws {
    let text = "{\"a\": 1, \"b\": 2,\n \"a\": 3}"
    #expect(try JSON(parsing: text) == .object(["a": JSON(3), "b": JSON(2)]))
    #expect(message { try JSON(parsing: text, duplicateKeys: .reject) } == "2:2: duplicate key \"a\"")
    let large = "{" + (0..<100).map { "\"k\($0)\": 0, " }.joined() + "\"k42\": 1}"
    #expect(message { try JSON(parsing: large, duplicateKeys: .reject) }.hasSuffix("duplicate key \"k42\""))
    #expect(try JSON(parsing: large)["k42"] == JSON(1))
  }

  @Test func largePartsAreNotHeld() throws {
    let text = #"""
      {"a": {"merges": [["x", {"y": -1.5e3}], "é", "\u00e9"], "vocab": {"p": 1, "q": {"r": [2]}, "p": "\n"}},
       "b": [{"vocab": {"s": 3}, "merges": [4]}], "vocab": {"t": 5}}
      """#
    func parse(_ text: String, streaming streamed: [String] = ["a", "vocab"]) throws -> (JSON, [String]) {
      var entries: [String] = []
      let rest = try JSON(
        parsing: Array(text.utf8), skipping: ["a", "merges"], streaming: streamed
      ) { entries.append("\($0)=\($1.text(.compact))") }
      return (rest, entries)
    }
    let (rest, entries) = try parse(text)
    #expect(entries == ["p=1", #"q={"r":[2]}"#, #"p="\n""#])
    #expect(
      rest.text(.compact)
        == #"{"a":{"merges":null,"vocab":{}},"b":[{"vocab":{"s":3},"merges":[4]}],"vocab":{"t":5}}"#)
    #expect(try parse(#"{"a": 1, "b": 2}"#, streaming: []).1 == ["a=1", "b=2"])
    #expect(
      try JSON(parsing: Array(#"{"a": {"b": [1]}, "c": 2}"#.utf8), skipping: ["a"]).text(.compact)
        == #"{"a":null,"c":2}"#)
    // What is no object stays as it is.
    #expect(try parse(#"{"a": {"vocab": ["p", 1]}}"#).0.text(.compact) == #"{"a":{"vocab":["p",1]}}"#)
    #expect(try parse("[7]", streaming: []).0.text(.compact) == "[7]")
  }

  @Test(arguments: [
    (#"{"a": {"merges": [1 2]}}"#, "1:21: expected ',' or ']' after the value, found '2'"),
    (#"{"a": {"merges": ["\x"]}}"#, "1:21: expected one of \" \\ / b f n r t u after a backslash, found 'x'"),
    (#"{"a": {"merges": {"b": 01}}}"#, "1:25: expected no digit after a leading zero, found '1'"),
    (#"{"a": {"vocab": {"b": 1,}}}"#, "1:25: expected a key in quotes, found '}'"),
  ])
  func partsThatAreNotHeldAreChecked(text: String, expected: String) {
    func parse(_ bytes: [UInt8]) throws -> JSON {
      try JSON(parsing: bytes, skipping: ["a", "merges"], streaming: ["a", "vocab"]) { _, _ in }
    }
    #expect(message { try parse(Array(text.utf8)) } == expected)
    #expect(
      message { try parse(Array(#"{"a": {"merges": "x"#.utf8) + [0xFF, 0x22, 0x7D, 0x7D]) }
        == "1:20: expected UTF-8, found byte 0xFF")
  }

  @Test func keysDifferByBytes() throws {
    // One letter, composed and decomposed: a vocabulary may have both.
    let json = try JSON(parsing: #"{"\u00e9": 1, "e\u0301": 2}"#, duplicateKeys: .reject)
    #expect(json["\u{E9}"] == JSON(1))
    #expect(json["e\u{301}"] == JSON(2))
    #expect(JSON.string("\u{E9}") != JSON.string("e\u{301}"))
  }

  @Test(arguments: [4, 100]) func objectsKeepTheirOrder(count: Int) throws {
    let names = (0..<count).map { "k\($0 * 7919 % 1000)" }
    var object = JSONObject()
    for (position, name) in names.enumerated() { object[name] = JSON(position) }
    #expect(object.keys == names)

    object[names[1]] = .null
    #expect(object.keys == names)
    #expect(object[names[1]] == .null)

    #expect(object.removeValue(forKey: names[0]) == JSON(0))
    #expect(object.removeValue(forKey: names[0]) == nil)
    object[names[2]] = nil
    object[names[0]] = .bool(true)
    #expect(object.keys == [names[1]] + names[3...] + [names[0]])
    #expect(object[names[count - 1]] == JSON(count - 1))
    #expect(object.count == count - 1)
    #expect(try JSON(parsing: JSON.object(object).text()) == .object(object))
  }

  @Test func equalityIsLiteral() throws {
    #expect(try JSON(parsing: "1.0") != JSON(parsing: "1"))
    #expect(try JSON(parsing: #"{"a":1,"b":2}"#) != JSON(parsing: #"{"b":2,"a":1}"#))
    #expect(try JSON(parsing: #"{ "a" : [ 1 ] }"#) == JSON(parsing: #"{"a":[1]}"#))
  }

  @Test func prettyTextIsPythons() throws {
    let text = """
      {
        "layer_norm_eps": 1e-05,
        "empty": {},
        "none": [],
        "layers": [
          0,
          {
            "größe": "a\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f/"
          }
        ],
        "tie": false,
        "null": null
      }

      """
    let json = try JSON(parsing: text)
    #expect(json.text(.pretty, trailingNewline: true) == text)
    #expect(
      json.text(.compact)
        == #"{"layer_norm_eps":1e-05,"empty":{},"none":[],"#
        + #""layers":[0,{"größe":"a\"\\\b\t\n\f\r\u0001\u001f/"}],"tie":false,"null":null}"#)
  }

  @Test func aFilesErrorsNameIt() throws {
    let directory = try TemporaryDirectory()
    let path = FilePath(try directory.write("{\"a\": 1,\n  b}", to: "x.json"))
    #expect(
      message { try JSON(contentsOf: path) } == "\(path):2:3: expected a key in quotes, found 'b'")
    #expect(
      message { try JSON(contentsOf: FilePath(directory.path("y.json"))) }
        == "cannot read \(directory.path)/y.json: No such file or directory")
    let sparse = try FileDescriptor.open(path, .writeOnly)
    try sparse.closeAfter { try sparse.resize(to: 2_000_000_000) }
    #expect(message { try JSON(contentsOf: path) } == "\(path): 2.0 GB, where at most 1.0 GB are read")
  }

  /// A search that grows with the square of the length would take minutes.
  @Test func largeTexts() throws {
    var text = "{"
    for i in 0..<200_000 { text += "\(i == 0 ? "" : ",\n")\"tok\\u0120en \(i)\": [\(i), \"größe\"]" }
    text += "}"
    let object = try #require(try JSON(parsing: Array(text.utf8)).objectValue)
    #expect(object.count == 200_000)
    #expect(object["tokĠen 199999"]?[0]?.intValue == 199_999)
  }
}
