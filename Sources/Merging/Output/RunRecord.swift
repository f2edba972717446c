import Basics
import SystemPackage

/// What a run was: all that the bytes of an output depend on. It is kept beside an output by which a later run
/// knows whether that is what it would make.
package struct RunRecord: Equatable, Sendable {
  /// The file's name, in the directory of the output.
  package static let fileName = "mergekit_stage.json"

  /// A file of a recipe or a method, by its path beside the recipe.
  package struct SourceFile: Hashable, Sendable {
    package var path: String
    package var sha256: String

    package init(path: String, sha256: String) {
      self.path = path
      self.sha256 = sha256
    }

    package init(path: String, text: some Sequence<UInt8>) {
      self.init(path: path, sha256: SHA256.hexadecimal(of: text))
    }
  }

  /// A file that goes into the merge, as it was.
  package struct InputFile: Hashable, Sendable {
    package var path: String
    package var bytes: Int
    /// Seconds and nanoseconds of the last change.
    package var modified: String

    /// `nil` if there is none.
    package init?(path: FilePath) throws {
      let identity: FileIdentity
      do throws(Errno) {
        identity = FileIdentity(try path.stat())
      } catch .noSuchFileOrDirectory, .notDirectory {
        return nil
      } catch { throw FileError.system(action: "inspect", path: path, errno: error) }
      self.init(path: path.string, bytes: identity.byteCount, modified: identity.modifiedText)
    }

    init(path: String, bytes: Int, modified: String) {
      self.path = path
      self.bytes = bytes
      self.modified = modified
    }
  }

  /// A file of the output's weights.
  package struct WeightFile: Hashable, Sendable {
    package var name: String
    package var bytes: Int
    package var modified: String
    /// Its XXH64; records of earlier versions have none.
    package var checksum: String?

    /// A file as it is, without its checksum.
    init(_ name: String, in directory: FilePath) throws {
      do {
        let identity = FileIdentity(try directory.appending(name).stat())
        self.init(name: name, bytes: identity.byteCount, modified: identity.modifiedText)
      } catch {
        throw FileError.system(action: "inspect", path: directory.appending(name), errno: error)
      }
    }

    init(name: String, bytes: Int, modified: String, checksum: String? = nil) {
      self.name = name
      self.bytes = bytes
      self.modified = modified
      self.checksum = checksum
    }
  }

  /// The program's version.
  package var version: String
  package var seed: UInt64
  /// The name of what is stored instead of every floating-point dtype.
  package var dtype: String?
  package var copiesTokenizer: Bool
  /// The recipe of the output with all that it needs, from checkpoints.
  package var recipe: String
  /// The files that the recipe and its methods consist of.
  package var sources: [SourceFile]
  package var inputs: [InputFile]
  package var weights: [WeightFile] = []

  package init(
    version: String, seed: UInt64, options: OutputOptions, recipe: String, sources: [SourceFile],
    inputs: [InputFile]
  ) {
    self.version = version
    self.seed = seed
    dtype = options.dtype?.torchName
    copiesTokenizer = options.copiesTokenizer
    self.recipe = recipe
    self.sources = sources
    self.inputs = inputs
  }
}

// MARK: The file

extension RunRecord {
  /// The record in a directory; `nil` if there is none, or something else.
  package init?(in directory: FilePath) throws {
    let files = ModelDirectory(directory)
    guard try files.holds(Self.fileName) else { return nil }
    let json: JSON
    do { json = try files.json(Self.fileName) } catch FileError.invalidJSON { return nil }
    self.init(json)
  }

  /// `nil` if `json` is no record. What is missing in it is empty, which no run would make.
  package init?(_ json: JSON) {
    guard json.objectValue != nil else { return nil }
    func text(_ value: JSON?) -> String { value?.stringValue ?? "" }
    func list(_ key: String) -> [JSON] { json[key]?.arrayValue ?? [] }
    version = text(json["version"])
    seed = UInt64(text(json["seed"])) ?? 0
    dtype = json["dtype"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
    copiesTokenizer = json["copies_tokenizer"] == .bool(true)
    recipe = text(json["recipe"])
    sources = list("modules").map { file in
      // At first the whole text was kept.
      let text = file["text"]?.stringValue.map { SHA256.hexadecimal(of: $0.utf8) }
      return SourceFile(
        path: file["path"]?.stringValue ?? "", sha256: file["sha256"]?.stringValue ?? text ?? "")
    }
    inputs = list("inputs").map {
      InputFile(path: text($0["path"]), bytes: $0["bytes"]?.intValue ?? -1, modified: text($0["modified"]))
    }
    weights = list("weights").map {
      WeightFile(
        name: text($0["name"]), bytes: $0["bytes"]?.intValue ?? -1, modified: text($0["modified"]),
        checksum: $0["xxh64"]?.stringValue)
    }
  }

  /// What the file holds.
  package var json: JSON {
    .object([
      "version": .string(version), "seed": .string(String(seed)), "dtype": .string(dtype ?? ""),
      "copies_tokenizer": .bool(copiesTokenizer), "recipe": .string(recipe),
      "modules": .array(
        sources.sorted { $0.path < $1.path }
          .map { .object(["path": .string($0.path), "sha256": .string($0.sha256)]) }),
      "inputs": .array(
        inputs.map {
          .object(["path": .string($0.path), "bytes": JSON($0.bytes), "modified": .string($0.modified)])
        }),
      "weights": .array(
        weights.map { file in
          var fields: JSONObject = [
            "name": .string(file.name), "bytes": JSON(file.bytes), "modified": .string(file.modified),
          ]
          if let checksum = file.checksum { fields["xxh64"] = .string(checksum) }
          return .object(fields)
        }),
    ])
  }
}
