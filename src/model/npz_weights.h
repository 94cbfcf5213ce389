// NumPy's files as weights of a model: a .npz archive of arrays, or one array alone (.npy).
#pragma once

#include <cstdint>

#include "formats/inflated_entries.h"
#include "model/weights_header.h"
#include "stkit/io.h"
#include "stkit/model.h"

namespace stkit {

// Tensors get the names of the archive's members without ".npy", a lone array that of its file.
// `reopen` gives the same file for as long as the model lives. Fails only when the file cannot be
// read; what is wrong with its content is in `findings`.
Result<WeightsHeader> read_npz_weights(const RandomAccessFile& file, uint32_t file_index,
                                       InflatedEntries::OpenArchive reopen,
                                       const OpenOptions& options);

}  // namespace stkit
