import Basics
import SystemPackage
import Tensors

/// Writes the files of a layout: headers at once, tensors in any order and from several threads.
///
/// If writing fails, or the writer goes without `finish()`, the files stay as they are: whoever made the
/// directory removes it.
package final class SafetensorsWriter: Sendable {
  /// What is written.
  package let layout: SafetensorsLayout

  private let directory: FilePath
  private let shown: FilePath
  private let files: [OutputFile]

  /// Creates the files in an existing directory, at their full size and with their headers.
  ///
  /// - Parameter shown: What errors call the directory; `nil` for its path.
  ///
  /// Throws `CheckpointError`: one of the files exists, or there is not enough space. The files that had
  /// been created by then are removed.
  package init(layout: SafetensorsLayout, directory: FilePath, shownAs shown: FilePath? = nil) throws {
    OpenFileLimit.raise()
    self.layout = layout
    self.directory = directory
    let shown = shown ?? directory
    self.shown = shown
    let space = DiskSpace(directory: directory, shownAs: shown, needed: layout.fileBytes)
    if let free = space.free, free < space.needed { throw CheckpointError.diskFull(space, free: free) }
    let spares = SpareTiles()
    var files: [OutputFile] = []
    do {
      for shard in layout.shards {
        let file = try OutputFile(
          path: directory.appending(shard.fileName), shownAs: shown.appending(shard.fileName),
          space: space, spares: spares)
        files.append(file)
        try file.allocate(shard.byteCount)
        try shard.header.withUnsafeBytes { try file.write($0, at: 0) }
      }
    } catch {
      for file in files { file.remove() }
      throw error
    }
    self.files = files
  }

  /// Where the data of a tensor goes, by its position in `layout.tensors`.
  package func sink(_ tensor: Int) -> any ByteSink {
    let placement = layout.placements[tensor]
    return TensorSink(file: files[placement.shard], placement: placement)
  }

  /// Closes the files, then writes the index if there are several. The sinks cannot be used any more.
  package func finish() throws {
    for file in files { try file.close() }
    guard let text = layout.indexText else { return }
    let space = DiskSpace(directory: directory, shownAs: shown, needed: text.utf8.count)
    let file = try OutputFile(
      path: directory.appending(indexFileName), shownAs: shown.appending(indexFileName), space: space,
      spares: SpareTiles())
    try Array(text.utf8).withUnsafeBytes { try file.write($0, at: 0) }
    try file.close()
  }
}

/// A tensor's part of an output file.
private final class TensorSink: ByteSink {
  private let file: OutputFile
  private let placement: SafetensorsLayout.Placement

  init(file: OutputFile, placement: SafetensorsLayout.Placement) {
    self.file = file
    self.placement = placement
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws {
    try file.write(buffer, at: place(of: buffer.count, at: offset))
  }

  func write(_ tile: TileBuffer, byteCount: Int, at offset: Int) throws -> TileBuffer {
    try file.write(tile, byteCount: byteCount, at: place(of: byteCount, at: offset))
  }

  /// Where in the file so many bytes go.
  private func place(of byteCount: Int, at offset: Int) -> Int {
    precondition(
      offset >= 0 && offset <= placement.byteCount && byteCount <= placement.byteCount - offset,
      "written beyond the tensor")
    return placement.offset + offset
  }
}
