import Foundation
import Testing

/// Holds the targets to the design: who may know whom.
@Suite struct TargetOrderTests {
  /// The targets of Sources by the way of the data; each imports only targets before it.
  static let order = [
    "CMemory", "Basics", "CKernels", "CBLAS", "Tensors", "Checkpoints", "Hub", "Tokenizers", "Architectures",
    "Merging",
    "Inference", "CLua", "CLuaBridge", "Lua", "Scripting", "Configs", "ConfigRecipes", "mergekit-lua",
  ]

  /// Libraries of the system, each with the targets that alone may know it.
  static let owners: [String: Set<String>] = [
    "CYaml": ["Configs"], "CPCRE2": ["Tokenizers"], "CUTF8Proc": ["Tokenizers"],
    "CLua": ["CLuaBridge", "Lua"],
    "CLuaBridge": ["Lua"],
  ]

  /// Targets that know less than their place in the order allows.
  static let knowsAtMost: [String: Set<String>] = [
    "Basics": [], "Tensors": ["Basics", "CMemory", "CKernels", "CBLAS"],
    "Lua": ["Basics", "CLua", "CLuaBridge"],
    "CLuaBridge": ["CLua"], "Configs": ["Basics", "CYaml"],
  ]

  let house: House

  init() throws { house = try House() }

  @Test func everyTargetHasItsPlace() {
    let known = Set(Self.order).union(Self.owners.keys)
    for name in house.sourceTargets where name != "embed-stdlib" {
      #expect(known.contains(name), "\(name) has no place in the order of the design")
    }
    for required in ["Basics", "Tensors", "Lua", "Scripting", "mergekit-lua"] {
      #expect(house.sourceTargets.contains(required))
    }
  }

  @Test func targetsDependOnlyOnThoseBefore() throws {
    for (place, name) in Self.order.enumerated() where house.sourceTargets.contains(name) {
      for dependency in house.dependencies(of: name) {
        if let other = Self.order.firstIndex(of: dependency) {
          #expect(other < place, "\(name) depends on \(dependency), which comes after it")
        }
        if let owners = Self.owners[dependency] {
          #expect(owners.contains(name), "\(name) depends on \(dependency), known to \(owners.sorted()) only")
        }
        if let most = Self.knowsAtMost[name] {
          #expect(most.contains(dependency), "\(name) depends on \(dependency)")
        }
      }
    }
  }

  /// A dependency that nothing imports is none, and an import that Package.swift does not name works by accident.
  @Test func importsAreTheDependenciesOfThePackage() throws {
    for name in house.sourceTargets {
      let imports = try house.imports(of: name)
      guard !imports.isEmpty else { continue }  // C
      let own = imports.intersection(house.sourceTargets)
      #expect(own == house.dependencies(of: name), "\(name)")
    }
  }

  @Test func nothingBelowLuaKnowsLua() throws {
    let below = Self.order.prefix { $0 != "CLua" } + ["Configs"]
    for name in below where house.sourceTargets.contains(name) {
      let imports = try house.imports(of: name)
      #expect(imports.isDisjoint(with: ["CLua", "CLuaBridge", "Lua"]), "\(name)")
    }
  }

  /// The Lua layer serves any program: it has no word for what this one does.
  @Test(arguments: ["Lua", "CLuaBridge"]) func luaKnowsNothingOfItsUse(_ name: String) throws {
    let words = ["tensor", "mergekit", "merge ", "recipe", "checkpoint", "safetensors", "--memory-limit"]
    let files = try house.files(of: name)
    #expect(files.count > 3)
    for (path, text) in files {
      for word in words { #expect(!text.lowercased().contains(word), "\(path) speaks of '\(word)'") }
    }
  }
}

/// Package.swift and the sources, as text.
struct House {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The quoted names among the dependencies of each target; products of other packages are left out.
  private var targets: [String: Set<String>] = [:]

  init() throws {
    let manifest = try String(contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
      .split(separator: "\n").filter { !$0.trimmingPrefix(while: \.isWhitespace).starts(with: "//") }
      .joined(separator: "\n")
    let starts = manifest.ranges(of: /\.(target|executableTarget|systemLibrary|testTarget|plugin)\(/)
    for (index, start) in starts.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1].lowerBound : manifest.endIndex
      let text = manifest[start.upperBound..<end]
      guard let name = text.firstMatch(of: /name: "([^"]+)"/) else { continue }
      let list = text.replacing(/\.product\([^)]*\)/, with: "").firstMatch(of: /dependencies: \[([^\]]*)\]/)
      let names = list.map { $0.1.matches(of: /"([^"]+)"/).map { String($0.1) } } ?? []
      targets[String(name.1), default: []].formUnion(names)
    }
  }

  /// The targets that have a folder in Sources.
  var sourceTargets: Set<String> {
    Set(targets.keys.filter { FileManager.default.fileExists(atPath: Self.folder(of: $0).path) })
  }

  func dependencies(of target: String) -> Set<String> { targets[target] ?? [] }

  /// The modules that a target's Swift files import.
  func imports(of target: String) throws -> Set<String> {
    var names: Set<String> = []
    for (path, text) in try files(of: target) where path.hasSuffix(".swift") {
      for match in text.matches(
        of: /(?m)^(?:@\w+ )*(?:\w+ )?import (?:(?:struct|class|enum|func|protocol) )?(\w+)/)
      {
        names.insert(String(match.1))
      }
    }
    return names
  }

  /// The source files of a target.
  func files(of target: String) throws -> [(path: String, text: String)] {
    let folder = Self.folder(of: target)
    let paths = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
    return try paths.filter { $0.hasSuffix(".swift") || $0.hasSuffix(".c") || $0.hasSuffix(".h") }.sorted()
      .map {
        ("\(target)/\($0)", try String(contentsOf: folder.appending(path: $0), encoding: .utf8))
      }
  }

  private static func folder(of target: String) -> URL { root.appending(path: "Sources/\(target)") }
}
