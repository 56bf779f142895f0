use super::dto;

dto! {
    /// Asks what keeping the archive costs.
    #[derive(Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct CostsRequest {
        /// Count the storage now, which takes a listing call for each thousand objects; otherwise the last count is shown.
        pub count: bool,
    }

    /// What keeping the archive costs.
    pub struct CostsAnswer {
        /// The report; null where nothing was counted yet.
        pub report: Option<CostReportView>,
    }

    /// An estimate at list prices. Amounts are decimal numbers in `currency`: whole units from 100 on, cents below. A month is 30 days.
    pub struct CostReportView {
        /// When the storage was counted.
        pub counted_at: String,
        /// Date of the price list.
        pub prices_dated: String,
        /// Where its figures come from.
        pub prices_source: String,
        /// ISO 4217.
        pub currency: String,
        /// By what is kept and where, recordings first.
        pub lines: Vec<CostLineView>,
        /// Recordings by the year of the interaction's end, newest first.
        pub years: Vec<CostYearView>,
        /// In sum.
        pub totals: CostTotalsView,
        /// What a reader must know.
        pub remarks: Vec<String>,
    }

    /// One kind in one storage class.
    pub struct CostLineView {
        /// `recordings`, or `metadata`: what describes and proves them, and what was set aside.
        pub kind: String,
        /// The provider's own name of the class.
        pub storage_class: String,
        /// What people call it.
        pub class_name: String,
        /// Objects.
        #[ts(type = "number")]
        pub objects: u64,
        /// Their bytes.
        #[ts(type = "number")]
        pub size_bytes: u64,
        /// Bytes that are billed: small objects count as larger ones, and some classes add to each.
        #[ts(type = "number")]
        pub billed_bytes: u64,
        /// Keeping them for a month; null where the list has no price.
        pub month: Option<String>,
        /// Of that, what is billed beyond the objects' own bytes.
        pub month_on_top: Option<String>,
        /// The same bytes for a month in the provider's standard class; null where there is none.
        pub month_standard: Option<String>,
        /// What not keeping them there saves in a year; negative where it costs more.
        pub saving_year: Option<String>,
        /// What moving them here by a lifecycle rule cost once.
        pub moved_once: Option<String>,
        /// Days that are billed at least.
        pub min_days: u16,
        /// What would be billed on top if all of them left the class now.
        pub early_deletion: Option<String>,
    }

    /// Recordings of one year.
    pub struct CostYearView {
        /// Year; 0 where unknown.
        pub year: u16,
        /// Recordings.
        #[ts(type = "number")]
        pub objects: u64,
        /// Their bytes.
        #[ts(type = "number")]
        pub size_bytes: u64,
        /// Keeping them for a month.
        pub month: String,
        /// The same in the standard class.
        pub month_standard: String,
        /// What that saves in a year.
        pub saving_year: String,
    }

    /// In sum.
    pub struct CostTotalsView {
        /// Objects.
        #[ts(type = "number")]
        pub objects: u64,
        /// Of these recordings.
        #[ts(type = "number")]
        pub recordings: u64,
        /// Their bytes.
        #[ts(type = "number")]
        pub size_bytes: u64,
        /// Keeping all for a month.
        pub month: String,
        /// Keeping all for a year.
        pub year: String,
        /// All for a month in the standard class.
        pub month_standard: String,
        /// What that saves in a year.
        pub saving_year: String,
        /// Objects in classes without a price; they are in no amount.
        #[ts(type = "number")]
        pub unpriced: u64,
    }

    /// Asks for the last cost report as a file's text.
    #[serde(deny_unknown_fields)]
    pub struct CostsFileRequest {
        /// `csv`, `html`, `text`.
        pub format: String,
    }

    /// A file's text.
    pub struct CostsFile {
        /// A name for it.
        pub name: String,
        /// IANA media type.
        pub media_type: String,
        /// Its content.
        pub text: String,
    }
}
