import SystemPackage
import Tensors

/// A model, where it is to be written, and how.
package struct Output {
  package var model: any LazyModel
  /// The output path as the user gave it; empty for a plan that is only printed.
  package var path: FilePath
  package var options: OutputOptions
  /// What the run is that makes it, for an output by which it is known again. Asked when the weights are
  /// written, as a method may require files until then.
  package var record: (() -> RunRecord)?

  package init(
    _ model: any LazyModel, path: FilePath, options: OutputOptions, record: (() -> RunRecord)? = nil
  ) {
    self.model = model
    self.path = path
    self.options = options
    self.record = record
  }

  /// Whether a path is that of a single file, by its name and by what is there.
  package static func isFile(_ path: FilePath) -> Bool { (try? OutputPlace(path))?.isFile == true }

  /// The name of the output if it is a single file.
  package var fileName: String? {
    Self.isFile(path) ? path.lastComponent?.string : nil
  }
}

/// How outputs are written; the defaults are those of every command and of `m:save`.
package struct OutputOptions {
  /// What becomes of an output that exists.
  package var policy = OutputDirectory.Policy.refuseNonEmpty
  /// Stored instead of every floating-point dtype.
  package var dtype: DType?
  package var maximumShardBytes = 5_000_000_000
  /// Whether README.md, the recipe and the recipe's modules are written.
  package var writesModelCard = true
  /// Whether the tokenizer's files are copied.
  package var copiesTokenizer = true
  /// Whether elements that are not finite are an error, and no warning.
  package var isStrict = false
  /// Whether the Python code of models is copied, without which some do not load.
  package var copiesCode = true

  /// Whether a finished output is on the disk, not only in the system's memory.
  package var isDurable = true

  package init(
    policy: OutputDirectory.Policy? = nil, dtype: DType? = nil, maximumShardBytes: Int? = nil,
    writesModelCard: Bool? = nil, copiesTokenizer: Bool? = nil, isDurable: Bool? = nil
  ) {
    self.dtype = dtype
    if let policy { self.policy = policy }
    if let maximumShardBytes { self.maximumShardBytes = maximumShardBytes }
    if let writesModelCard { self.writesModelCard = writesModelCard }
    if let isDurable { self.isDurable = isDurable }
    if let copiesTokenizer { self.copiesTokenizer = copiesTokenizer }
  }
}
