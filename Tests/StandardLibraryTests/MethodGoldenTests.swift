import Basics
import Checkpoints
import Foundation
import ScriptTestSupport
import Scripting
import SystemPackage
import Testing

/// The methods that mergekit lacks, against what numpy made of the same models: see scripts/make-method-goldens.py.
@Suite struct MethodGoldenTests {
  /// A merge in the fields of `mk.merge`, where models are variables by name.
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let method: String
    let fields: String

    var testDescription: String { name }
  }

  private static let folder = fixture("methods")

  static let cases: [Case] = {
    let entries = try? JSON(contentsOf: FilePath("\(folder)/cases.json")).arrayValue
    return (entries ?? []).compactMap { entry in
      guard let name = entry["name"]?.stringValue, let method = entry["method"]?.stringValue,
        let fields = entry["fields"]?.stringValue
      else { return nil }
      return Case(name: name, method: method, fields: fields)
    }
  }()

  /// Opens every model of the fixtures as a variable of its name.
  private static let models: String = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/models")) ?? []
    return files.sorted().map { file in
      "local \(file.dropLast(".safetensors".count)) = mk.model '\(folder)/models/\(file)'"
    }.joined(separator: "; ")
  }()

  @Test func thereAreCases() { #expect(Self.cases.count >= 20) }

  @Test(arguments: cases) func mergeGivesWhatNumpyGave(_ golden: Case) throws {
    let bench = try ScriptBench()
    let script = "\(Self.models)\nreturn mk.merge { method = '\(golden.method)', \(golden.fields) }"
    let found = try bench.output(script).sorted { $0.name < $1.name }
    let expected = try Checkpoint(path: FilePath("\(Self.folder)/expected/\(golden.name).safetensors"))
      .tensors.map { try TestTensor($0) }.sorted { $0.name < $1.name }
    #expect(found.map(\.name) == expected.map(\.name))
    for (found, expected) in zip(found, expected) {
      #expect(found.shape == expected.shape && found.dtype == expected.dtype)
      #expect(Vector.agree(found.elements, expected.elements.map(Double.init)), "\(found.name)")
    }

    // The same bits by any number of threads and in tiles of any size.
    bench.options.threads = 5
    bench.options.tileSize = 7
    #expect(try bench.output(script).sorted { $0.name < $1.name } == found)
  }
}
