import Foundation
import TestSupport
import Testing

/// What a process does when the system gives it less than it asks for: memory, stack, readable files.
@Suite struct ResourceTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private let blend = """
    return mk.merge { method = 'linear', models = { { mk.model 'models/base', weight = 1 }, { mk.model 'models/math', weight = 1 } } }
    """

  // MARK: Memory

  /// Sorting long rows asks for far more than the address space that it gets, at one moment or another.
  @Test func memoryThatIsRefusedIsASentence() throws {
    try tool.write(
      "local mk = require 'mergekit'; print(mk.randn { 2, 1 << 23 }:sort(2):sum():item())", to: "r.lua")
    var sentences = 0
    for megabytes in stride(from: 60, through: 460, by: 40) {
      let outcome = try tool.shell(
        "ulimit -v \(megabytes << 10); exec $TOOL exec r.lua --memory-limit 0 --threads 1")
      switch outcome.status {
      case 0: #expect(outcome.errors == "")
      case 127: #expect(outcome.errors.contains("error while loading"))  // the loader's own
      default:
        #expect(outcome.status == 1, "\(megabytes) MB: \(outcome)")
        let isSentence =
          outcome.errors.hasPrefix("error: out of memory: the system refused ")
          && outcome.errors.hasSuffix(" bytes more\n") || outcome.errors.contains("not enough memory")
        #expect(isSentence, "\(megabytes) MB: \(outcome)")
        sentences += isSentence ? 1 : 0
      }
    }
    #expect(sentences > 2)
  }

  @Test func memoryThatIsRefusedLeavesNothing() throws {
    try tool.write(
      """
      local mk = require 'mergekit'
      return mk.model('models/base'):map(function(t) return t + mk.randn { 2, 1 << 23 }:sort(2):sum() end)

      """, to: "r.lua")
    let outcome = try tool.shell("ulimit -v 200000; exec $TOOL r.lua out --memory-limit 0 --threads 1")
    #expect(outcome.status == 1 && outcome.errors.hasPrefix("error: out of memory: "), "\(outcome)")
    #expect(tool.tree() == ["r.lua"])
  }

  /// What a command needs beside a header, in KB.
  private static let rest = 110_000

  /// Headers of ten million bytes, in which there is as much as can be: of tensors, strings, lists, names.
  enum Header: String, CaseIterable {
    case tensors, metadata, shape, fields, name

    static let length = 10_000_000

    var text: String {
      let count = Self.length
      func repeated(_ length: Int, _ part: (Int) -> String) -> String {
        (0..<count / length).map(part).joined(separator: ",")
      }
      switch self {
      case .tensors:
        return "{"
          + repeated(70) { #""\#($0)":{"dtype":"U8","shape":[],"data_offsets":[\#($0),\#($0 + 1)]}"# } + "}"
      case .metadata: return #"{"__metadata__":{"# + repeated(12) { #""\#($0)":"""# } + "}}"
      case .shape: return #"{"x":{"shape":["# + repeated(2) { _ in "1" } + "]}}"
      case .fields: return #"{"x":{"# + repeated(12) { #""\#($0)":1"# } + "}}"
      case .name: return #"{""# + String(repeating: "x", count: count) + #"":{"dtype":"U8","shape":[]}}"#
      }
    }
  }

  @Test(arguments: Header.allCases) func headersTakeNoMoreThanTenTimesTheirSize(_ header: Header) throws {
    let count = header == .tensors ? Header.length / 70 : 0
    try tool.write(
      safetensors(header: header.text, data: [UInt8](repeating: 0, count: count)), to: "x.safetensors")
    let limit = Self.rest + 10 * Header.length / 1024
    let outcome = try tool.shell("ulimit -v \(limit); exec $TOOL inspect x.safetensors | tail -n 1")
    if header == .tensors {
      #expect(outcome.output.hasPrefix("\(count) tensors, "), "\(outcome.errors.prefix(500))")
    } else {
      #expect(outcome.errors.hasPrefix("error: x.safetensors: "), "\(outcome.errors.prefix(500))")
      #expect(outcome.errors.utf8.count < 1000)
    }
  }

  // MARK: Stack

  @Test func aSmallStackIsRaised() throws {
    try tool.recipe(blend)
    let outcome = try tool.shell("ulimit -S -s 64; exec $TOOL recipe.lua out --force --quiet")
    #expect(outcome == Tool.Outcome(0))
  }

  @Test(arguments: [64, 256, 2048]) func aStackThatStaysSmallIsAnError(kilobytes: Int) throws {
    try tool.recipe(blend)
    let outcome = try tool.shell("ulimit -s \(kilobytes); exec $TOOL recipe.lua other --quiet")
    #expect(
      outcome
        == Tool.Outcome(
          1,
          errors:
            "error: the stack is limited to \(kilobytes) KB, and 4096 KB are needed; raise it with `ulimit -s 8192`\n"
        ))
    #expect(!tool.tree().contains("other"))
  }

  // MARK: Files

  @Test(arguments: ["tokenizer.json", "tokenizer.model", "modules.json"])
  func aCompanionWithHolesIsRefused(name: String) throws {
    try tool.recipe("return mk.model 'models/base'", "before", "--quiet")
    #expect(try tool.shell("truncate -s 5T models/base/\(name)").status == 0)
    let outcome = try tool.recipe("return mk.model 'models/base'")
    #expect(
      outcome
        == Tool.Outcome(1, errors: "error: models/base/\(name): 5.5 TB, where at most 1.0 GB are read\n"))
    #expect(!tool.tree().contains("out"))
  }

  /// Whichever of the calls on it fails, a companion is in the output, or the error names it.
  @Test func aCompanionThatCannotBeReadIsNamed() throws {
    let source = Tool.repository.appendingPathComponent("Tests/Faults/faults.c").path
    #expect(try tool.shell("cc -shared -fPIC -O1 -o faults.so \(source) -ldl") == Tool.Outcome(0))
    try tool.write(#"{"added_tokens": []}"#, to: "models/base/tokenizer_config.json")
    try tool.write("local mk = require 'mergekit'; return mk.model 'models/base'", to: "r.lua")
    let run = { (number: Int) in
      try self.tool.shell(
        "env LD_PRELOAD=./faults.so FAULT_NAME=tokenizer_config.json FAULT_BELOW=models FAULT_KIND=once "
          + "FAULT_ERRNO=13 FAULT_AT=\(number) FAULT_LOG=calls.log $TOOL r.lua out --force --quiet")
    }
    #expect(try run(0) == Tool.Outcome(0))
    let calls = try #require(tool.text("calls.log")).split(separator: "\n").count
    #expect(calls > 5)
    var errors = 0
    for number in 1...calls {
      let outcome = try run(number)
      if outcome.status == 0 {
        #expect(tool.tree().contains("out/tokenizer_config.json"), "call \(number)")
      } else {
        errors += 1
        #expect(outcome.errors.contains("models/base/tokenizer_config.json: "), "call \(number): \(outcome)")
      }
    }
    #expect(errors > 2)
  }

  // MARK: What is said

  private static let hostile = "\u{1B}]0;x\u{7}\u{202E}\u{2066}\u{9B}31m\r"

  private func isPlain(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
      scalar == "\n" || scalar == "\t"
        || scalar.properties.generalCategory != .control && scalar.properties.generalCategory != .format
    }
  }

  @Test func nothingSaidMovesTheCursorOrTurnsTheText() throws {
    let name = Self.hostile.replacing("\u{1B}", with: "\\u001b").replacing("\u{7}", with: "\\u0007")
      .replacing("\r", with: "\\r")
    try tool.write(
      safetensors(
        header: #"{"\#(name)":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, data: [0, 0, 0, 0]),
      to: "m/model.safetensors")
    try tool.write(#"{"model_type": "llama"}"#, to: "m/config.json")
    try tool.write("merge_method: linear\nmodels:\n  - {model: m, parameters: {weight: 1}}\n", to: "c.yml")
    try tool.write(
      "merge_method: \"\(name)\"\nmodels:\n  - {model: m, parameters: {weight: 1}}\n", to: "bad.yml")
    try tool.write(
      "local mk = require 'mergekit'; error('\(Self.hostile.replacing("\r", with: "\\r"))')", to: "e.lua")
    try tool.write(
      "local mk = require 'mergekit' -- \u{202E}\u{2066}\nreturn mk.model 'm':map(function(t) return t * 1 end)\n",
      to: "r.lua")
    for arguments in [
      ["inspect", "m"], ["inspect", "m", "--json"], ["inspect", "m", "--stats"],
      ["c.yml", "out", "--dry-run"],
      ["bad.yml", "out"], ["e.lua", "out"], ["r.lua", "out"], ["\(Self.hostile).lua", "out"],
      ["r.lua", "out", "--\(Self.hostile)"], ["inspect", Self.hostile],
    ] {
      let outcome = try tool.run(arguments)
      #expect(isPlain(outcome.output) && isPlain(outcome.errors), "\(arguments): \(outcome)")
      #expect(!(outcome.output + outcome.errors).isEmpty)
    }
    #expect(isPlain(try #require(tool.text("out/README.md"))))
  }

  @Test func whatIsSaidIsBounded() throws {
    let long = String(repeating: "x", count: 1_000_000)
    try tool.write(
      "merge_method: \(long)\nmodels:\n  - {model: models/base, parameters: {weight: 1}}\n", to: "a.yml")
    try tool.write(
      """
      merge_method: linear
      models:
        - model: models/base
          parameters: {weight: [{filter: "\(long)", value: half}]}

      """, to: "b.yml")
    try tool.write("local mk = require 'mergekit'; error(('x'):rep(1000000))", to: "c.lua")
    try tool.write("local mk = require 'mergekit'; return mk.model(('x'):rep(1000000))", to: "d.lua")
    try tool.write(
      "local mk = require 'mergekit'; return mk.model('models/base'):tensor(('x'):rep(1000000))", to: "e.lua")
    for name in ["a.yml", "b.yml", "c.lua", "d.lua", "e.lua"] {
      let outcome = try tool.run(name, "out")
      #expect(
        outcome.status == 1 && outcome.errors.utf8.count < 70_000, "\(name): \(outcome.errors.utf8.count)")
      #expect(outcome.errors.hasPrefix("error: "))
    }
  }
}
